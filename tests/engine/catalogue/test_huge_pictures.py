"""A picture of 9,000×9,000 pixels is brought in, drawn on, saved and proposed within 1.5 GB.

Each step runs in a process of its own, whose highest memory the system tells.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_LIMIT_MB = 1_500

_HOME = """
import resource, sys
from pathlib import Path
import cv2, numpy as np
from engine.people.actors import VISITOR
from engine.settings import Settings
from engine.store.records import Dataset, Image
from engine.workbench import Workbench
cv2.setNumThreads(1)
workbench = Workbench(Settings(home=Path(sys.argv[1])))
def tell():
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

_DRAW_IT = """
import sys
import cv2, numpy as np
from engine.imaging.drawn_tissue import draw_tissue
tissue = draw_tissue(0, side_px=1500, looked_at_share=1.0).picture
cv2.imwrite(sys.argv[2], np.tile(tissue, (6, 6, 1))[..., ::-1])
"""

_BRING_IN = """
from engine.datasets.taking import take_picture
taken = take_picture(Path(sys.argv[2]).read_bytes())
kept = workbench.files.put(taken.data, media_type=taken.media_type)
with workbench.store.transaction("datasets", "images") as changes:
    changes["datasets"].put(Dataset(id="d", name="Huge", status="ready"))
    changes["images"].put(Image(
        id="huge", name="huge", sha256=kept.sha256, media_type=kept.media_type,
        width_px=taken.width_px, height_px=taken.height_px, dataset_id="d",
    ))
print(taken.width_px, taken.height_px)
tell()
"""

_ANNOTATE = """
from engine.annotation.raster import Box
from engine.annotation.strokes import Stroke, on_grid
tab = "one"
annotation = workbench.annotation
assert annotation.take("huge", VISITOR, tab, is_open=lambda _: True).is_mine
whole = Box(left=0, top=0, right=9000, bottom=9000)
colours = {1: (213, 94, 0), 2: (0, 158, 115)}
annotation.view("huge", VISITOR, whole, width=900, height=900, colours=colours, opacity=0.5)
corners = on_grid([[100, 100], [8900, 100], [8900, 8900], [100, 8900]])
line = on_grid([[0, 4500], [9000, 4500]])
strokes = [
    Stroke(tool="polygon", state=2, points=corners, mark="outline"),
    Stroke(tool="brush", state=1, points=line, width_px=600.0, mark="line"),
]
print(annotation.draw("huge", VISITOR, strokes, tab=tab))
saved = annotation.save("huge", VISITOR, tab=tab)
print(saved.counts["unhealthy"], saved.counts["healthy"])
tell()
"""


def run(code: str, *given: str) -> list[str]:
    """Run a program; return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_a_huge_picture_fits_in_memory(tmp_path: Path) -> None:
    """Brought in, drawn on by outline and brush, and saved: each within 1.5 GB."""
    home, file = str(tmp_path / "home"), str(tmp_path / "huge.png")
    run(_DRAW_IT, home, file)
    size, brought = run(_HOME + _BRING_IN, home, file)
    assert size == "9000 9000"
    new, counts, drawn = run(_HOME + _ANNOTATE, home)
    assert new == "2"
    unhealthy, healthy = map(int, counts.split())
    assert unhealthy == pytest.approx(9000 * 600, rel=0.01)
    assert unhealthy + healthy == pytest.approx(8800 * 8800 + 200 * 600, rel=0.01)
    assert int(brought) < _LIMIT_MB
    assert int(drawn) < _LIMIT_MB

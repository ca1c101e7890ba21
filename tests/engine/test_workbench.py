"""One workbench for each home, whose parts are opened once and when asked for."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.settings import Settings
from engine.workbench import Workbench, shared_workbench

PARTS = (
    *("store", "files", "audit", "accounts", "sessions", "tokens", "queue", "backups", "monitor"),
)


def test_all_who_ask_share_one_workbench(tmp_path: Path) -> None:
    """The same home is the same workbench, with the settings of whoever asked first."""
    first = shared_workbench(Settings(home=tmp_path, port=1))
    assert shared_workbench(Settings(home=tmp_path, port=2)) is first
    assert first.settings.port == 1
    assert shared_workbench(Settings(home=tmp_path / "other")) is not first


def test_every_part_is_opened_once_by_many_threads(tmp_path: Path) -> None:
    """Sixteen threads that ask at the same time get the same parts."""
    bench = Workbench(Settings(home=tmp_path))
    seen: list[tuple[object, ...]] = []
    gate = threading.Barrier(16)

    def ask() -> None:
        gate.wait()
        seen.append(tuple(getattr(bench, name) for name in PARTS))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 16
    assert all(one is other for parts in seen for one, other in zip(parts, seen[0], strict=True))


def test_making_a_workbench_opens_nothing(tmp_path: Path) -> None:
    """The home is not touched before a part is asked for."""
    home = tmp_path / "home"
    Workbench(Settings(home=home))
    assert not home.exists()


def test_a_part_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    """Records that were in the way can be put right while the server runs."""
    home = tmp_path / "home"
    home.write_text("in the way")
    bench = Workbench(Settings(home=home))
    with pytest.raises(StoreError, match="LIGHTBOX_HOME"):
        _ = bench.store
    home.unlink()
    assert bench.store.names


def test_closing_stops_the_monitor_and_parts_open_again(tmp_path: Path) -> None:
    """After closing, no thread of ours is left, and the next question opens the part anew."""
    bench = Workbench(Settings(home=tmp_path))
    store = bench.store
    bench.monitor.start()
    bench.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("monitor")]
    assert bench.store is not store
    bench.close()


def test_settings_reach_every_part(tmp_path: Path) -> None:
    """A floor that is set is the floor that the monitor tells."""
    settings = replace(Settings(home=tmp_path), memory_floor_mb=123)
    assert Workbench(settings).monitor.now().memory_floor_mb == 123


def test_importing_the_workbench_is_light() -> None:
    """Neither S3's libraries, nor pandas, nor Prometheus's are loaded by opening all parts."""
    code = (
        "import sys, tempfile; from pathlib import Path; from engine.settings import Settings; "
        "from engine.workbench import Workbench; "
        "bench = Workbench(Settings(home=Path(tempfile.mkdtemp()))); "
        f"[getattr(bench, name) for name in {PARTS!r}]; "
        "print([name for name in 'boto3 s3fs pandas streamlit fastapi torch openvino cv2 "
        "prometheus_client'.split() if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert result.stdout.strip() == "[]"

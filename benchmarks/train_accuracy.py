"""What ``lightbox train`` reaches at its default settings in 15 minutes, on pictures of nuclei.

    LIGHTBOX_TEST_DATA=DIR python -m benchmarks.train_accuracy [--minutes 15] [--keep FOLDER]

``DIR`` holds ``seg/dsb2018``. Its training pictures and its held-back fifth (whole mosaics, each
kind of microscopy by itself) are packed as a ZIP with ``train/images``, ``train/masks``,
``test/images`` and ``test/masks``, and given to the command as anybody would. Its own test figures
are printed beside those of Otsu's threshold on the same pictures. Run it on an otherwise idle
machine: the minutes are wall time. Exit code 1: mean Dice below 0.90.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from engine.segmentation.scoring import mean_interval
from engine.training.recipes.nuclei_card import figures_by_kind
from engine.training.recipes.nuclei_pictures import Nuclei, nuclei_folder, read_nuclei

_WANTED: Final = 0.90


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--keep", type=Path, help="where the trained model goes")
    options = parser.parse_args()
    named = options.data or Path(os.environ.get("LIGHTBOX_TEST_DATA", ""))
    pictures = read_nuclei(nuclei_folder(named))
    with tempfile.TemporaryDirectory(prefix="lightbox-") as place:
        archive = _packed(pictures, Path(place) / "nuclei.zip")
        folder = options.keep or Path(place) / "model"
        answer = _trained(archive, folder, options.minutes)
        document = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    held = [one for one in pictures if one.part == "test"]
    # The command does not know which pictures were cut from one: the intervals are made here.
    scores = {case["name"]: case["mean_dice"] for case in document["cases"]}
    figures = figures_by_kind(held, scores)
    interval = mean_interval([scores[one.name] for one in held], [one.group for one in held])
    report = {
        "minutes": options.minutes,
        "seconds": answer["seconds"],
        "epochs": answer["epochs"],
        "kinds": figures,
        "object_f1": document["object_f1"],
        "hausdorff_95_px": document["hausdorff_95_px"],
        "calibration_error": document["calibration_error"],
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0 if interval.value >= _WANTED else 1


def _packed(pictures: Sequence[Nuclei], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for one in pictures:
            part = "test" if one.part == "test" else "train"
            archive.write(one.picture_path, f"{part}/images/{one.name}.png")
            archive.write(one.mask_path, f"{part}/masks/{one.name}.png")
    return path


def _trained(archive: Path, folder: Path, minutes: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "engine.cli", "train", str(archive), "--out", str(folder)]
    done = subprocess.run(
        [*command, "--minutes", f"{minutes:g}", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"lightbox train ended with {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main())

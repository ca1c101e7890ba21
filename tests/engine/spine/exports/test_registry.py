"""The list of exports: names, titles, media types, and reasons."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import NotFoundError, RequestError
from engine.spine.exports import EXPORTS, make_export
from tests.engine.spine.shaped_spines import SPINE, saved_shapes

STARTS = {
    "labels.nii.gz": b"\x1f\x8b",
    "vertebrae.csv": b"label,code",
    "result.json": b"{",
    "vertebrae.glb": b"glTF",
    "vertebrae.stl": b"Lightbox",
    "report.html": b"<!doctype html>",
    "report.pdf": b"%PDF-",
}


def test_every_export_can_be_made(tmp_path: Path) -> None:
    """Each begins as its kind does; the segmentation says why it is not there."""
    saved = saved_shapes(tmp_path, {"L1": SPINE["L1"], "L2": SPINE["L2"]})
    for name, export in EXPORTS.items():
        assert (name, export.name, export.file_name) == (name,) * 3
        reason = export.why_not(saved)
        if name == "labels.dcm":
            assert reason is not None
            assert reason.endswith(".")
        else:
            assert reason is None
            assert make_export(saved, name).startswith(STARTS[name])


def test_without_vertebrae_there_is_no_surface(tmp_path: Path) -> None:
    """The reason is a sentence; all other files exist."""
    saved = saved_shapes(tmp_path, {})
    refused = {name for name, export in EXPORTS.items() if export.why_not(saved)}
    assert refused == {"vertebrae.glb", "vertebrae.stl", "labels.dcm"}
    with pytest.raises(RequestError, match="no surface"):
        make_export(saved, "vertebrae.glb")


@pytest.mark.parametrize("name", ["", "labels", "../result.json", "RESULT.JSON", "x" * 999])
def test_unknown_names_are_refused(tmp_path: Path, name: str) -> None:
    """The message lists what there is, and repeats little of what came."""
    with pytest.raises(NotFoundError, match=r"labels\.nii\.gz, .*but got") as caught:
        make_export(saved_shapes(tmp_path, {}), name)
    assert len(str(caught.value)) < 300


def test_titles_and_media_types_are_there() -> None:
    """Everything a page needs for a link."""
    for export in EXPORTS.values():
        assert export.title
        assert "/" in export.media_type


def test_the_list_is_light() -> None:
    """Asking what there is loads no library that draws, reads or packs."""
    heavy = "cv2 PIL skimage scipy nibabel highdicom pydicom reportlab fast_simplification torch"
    code = (
        "from engine.spine.exports import EXPORTS; import engine.spine.pictures, sys; "
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"

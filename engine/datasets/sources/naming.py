"""How names in uploads tell pictures from masks, patients and splits."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from engine.datasets.entries import Split

__all__ = [
    "IMAGE_FOLDERS",
    "MASK_FOLDERS",
    "group_of",
    "has_no_ending",
    "is_picture",
    "split_of",
    "stem_of",
]

IMAGE_FOLDERS: Final = frozenset(["images", "image", "imgs", "img", "pictures", "jpegimages"])
MASK_FOLDERS: Final = frozenset(
    (
        *("masks", "mask", "labels", "label", "annotations", "groundtruth", "ground_truth", "gt"),
        *("manual", "1st_manual", "segmentation", "segmentations"),
    )
)
_PICTURES: Final = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".svs"),
    *(".dcm", ".dicom", ".nii", ".nii.gz"),
)
_SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def is_picture(name: str) -> bool:
    """Tell whether a name ends like a picture's, a DICOM's or a NIfTI's, or not at all."""
    lower = name.lower()
    return lower.endswith(_PICTURES)


def has_no_ending(name: str) -> bool:
    """Tell whether a name has no ending, or only a number, as DICOM files often do.

    >>> has_no_ending("dicom/IM0001"), has_no_ending("CT.1.2.840.15"), has_no_ending("a.txt")
    (True, True, False)
    """
    return PurePosixPath(name).suffix.lstrip(".").isdigit() or not PurePosixPath(name).suffix


def stem_of(name: str) -> str:
    """Return a file's name without folder and ending.

    >>> stem_of("a/b/scan_1.nii.gz"), stem_of("x/y.v2.png")
    ('scan_1', 'y.v2')
    """
    last = PurePosixPath(name).name
    for ending in _PICTURES[::-1]:
        if last.lower().endswith(ending):
            return last[: -len(ending)]
    return PurePosixPath(last).stem


def split_of(name: str) -> Split:
    """Return the split that a folder on a file's path names.

    >>> split_of("data/Train/images/a.png"), split_of("images/a.png")
    ('train', '')
    """
    for part in PurePosixPath(name).parts[:-1]:
        if part.lower() in _SPLITS:
            return _SPLITS[part.lower()]
    return ""


def group_of(inner: tuple[str, ...]) -> str:
    """Return the group that folders below the pictures' own folder tell: a patient, a slide."""
    return "/".join(part for part in inner if part.lower() not in _SPLITS)

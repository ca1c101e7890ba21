"""An answer as a file that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Literal, final, get_args

from engine.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.segmentation.results import Segmentation

__all__ = ["FORMS", "Exported", "PredictionForm", "file_name", "form_of", "written"]

PredictionForm = Literal[
    "mask",
    "overlay",
    "uncertainty",
    "classes",
    "objects",
    "geojson",
    "coco",
    "nifti",
    "probabilities",
]

FORMS: Final[dict[PredictionForm, str]] = {
    "mask": "Mask (PNG)",
    "overlay": "Overlay (PNG)",
    "uncertainty": "Uncertainty (PNG)",
    "classes": "Areas (CSV)",
    "objects": "Objects (CSV)",
    "geojson": "Outlines (GeoJSON)",
    "coco": "Objects (COCO)",
    "nifti": "Mask (NIfTI)",
    "probabilities": "Probabilities (npz)",
}
"""What an answer can be written as, with its name for people."""

_ENDINGS: Final[dict[PredictionForm, tuple[str, str]]] = {
    "mask": ("_mask.png", "image/png"),
    "overlay": ("_overlay.png", "image/png"),
    "uncertainty": ("_uncertainty.png", "image/png"),
    "classes": ("_areas.csv", "text/csv"),
    "objects": ("_objects.csv", "text/csv"),
    "geojson": (".geojson", "application/geo+json"),
    "coco": ("_coco.json", "application/json"),
    "nifti": ("_mask.nii.gz", "application/gzip"),
    "probabilities": ("_probabilities.npz", "application/zip"),
}

_BAND_ROWS: Final = 1024

Rows = Callable[[int, int], "NDArray[np.uint8]"]
"""Reads the rows of a picture from the first up to, not with, the second: ``(h, W, 3)``."""

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file to be taken along."""

    name: str
    media_type: str
    data: bytes


def form_of(name: object) -> PredictionForm:
    """Return the form of that name.

    Raises
    ------
    RequestError
        When there is none.
    """
    for form in get_args(PredictionForm):
        if form == name:
            found: PredictionForm = form
            return found
    raise RequestError(
        f"An answer can be written as {', '.join(FORMS)}, but {str(name)[:40]!r} was asked for."
    )


def file_name(name: str, form: PredictionForm) -> str:
    """Return what the file about the picture ``name`` is called.

    >>> file_name("slide 3.png", "mask"), file_name("slide.v2", "coco")
    ('slide 3_mask.png', 'slide.v2_coco.json')
    """
    path = PurePosixPath(name.replace("/", "_"))
    stem = path.stem if path.suffix.lower() in _PICTURES else path.name
    return f"{stem or 'picture'}{_ENDINGS[form][0]}"


def written(
    found: Segmentation,
    form: PredictionForm,
    *,
    name: str,
    rows: Rows,
) -> Exported:
    """Return ``found`` about the picture ``name`` in one form; ``rows`` reads the picture.

    Raises
    ------
    RequestError
        When probabilities were not kept, because the picture is large.
    """
    from engine.segmentation import exports
    from engine.segmentation.measuring import measure

    if form == "mask":
        data = exports.mask_png(found)
    elif form == "overlay":
        data = _overlay(found, rows)
    elif form == "uncertainty":
        data = exports.uncertainty_png(found)
    elif form == "classes":
        data = exports.classes_csv(measure(found), picture=name)
    elif form == "objects":
        data = exports.objects_csv(measure(found), picture=name)
    elif form == "geojson":
        data = exports.geojson(found)
    elif form == "coco":
        data = exports.coco(found, file_name=name)
    elif form == "nifti":
        data = exports.nifti(found)
    else:
        if found.probabilities is None:
            raise RequestError(
                "The probabilities of this picture were not kept, because it is large; take the "
                "mask and the uncertainty, or ask about a part."
            )
        data = _probabilities(found)
    return Exported(name=file_name(name, form), media_type=_ENDINGS[form][1], data=data)


def _overlay(found: Segmentation, rows: Rows) -> bytes:
    """Return the picture with the classes over it, made in bands; each sees a row of the next."""
    import numpy as np

    from engine.imaging import pictures
    from engine.segmentation.drawing import overlay

    whole = np.empty((found.height, found.width, 3), np.uint8)
    for top in range(0, found.height, _BAND_ROWS):
        end = min(found.height, top + _BAND_ROWS)
        first, last = max(0, top - 1), min(found.height, end + 1)
        laid = overlay(rows(first, last), found.mask[first:last], found.classes)
        whole[top:end] = laid[top - first : end - first]
    return pictures.encode_png(whole)


def _probabilities(found: Segmentation) -> bytes:
    from engine.segmentation.exports import write_probabilities

    with TemporaryDirectory(prefix="lightbox-answer-") as folder:
        path = Path(folder) / "probabilities.npz"
        write_probabilities(found, path)
        return path.read_bytes()

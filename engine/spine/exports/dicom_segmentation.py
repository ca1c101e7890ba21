"""The label map as DICOM Segmentation (PS3.3 A.51), one segment for each vertebra.

It refers to the de-identified series that the detection was made from: names, dates and the
original identifiers are not in it, because they were removed when the CT was read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import RequestError
from engine.spine.pictures.colours import colour_of_code
from engine.spine.segmenters import LABEL_NAMES, SACRUM_CODE

if TYPE_CHECKING:
    from highdicom.content import (
        PixelMeasuresSequence,
        PlaneOrientationSequence,
        PlanePositionSequence,
    )
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset
    from pydicom.sr.coding import Code

    from engine.spine.saved import SavedDetection

__all__ = ["code_of_label", "dicom_seg", "why_no_dicom_seg"]

NOT_DICOM = (
    "The CT did not come as DICOM, so there is no series that a segmentation could refer to."
)
RESAMPLED = (
    "The slices of this CT are tilted, missing or uneven and were resampled, so the label map does "
    "not lie on them; take the NIfTI label map."
)
NAMELESS = (
    "The DICOM headers lack identifiers that a segmentation has to refer to ({names}); take the "
    "NIfTI label map."
)
NOTHING_FOUND = "No vertebra was found, so there is nothing to segment."

_SERIES_NUMBER = 9026
_IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def why_no_dicom_seg(saved: SavedDetection) -> str | None:
    """Return why there is no segmentation for a detection, None when there is one."""
    if saved.facts.kind != "dicom":
        return NOT_DICOM
    if not saved.has_headers:
        return RESAMPLED
    missing = [name for name in _IDENTIFIERS if not saved.first_header().get(name)]
    if missing:
        return NAMELESS.format(names=", ".join(missing))
    return None if saved.vertebrae else NOTHING_FOUND


def dicom_seg(saved: SavedDetection) -> bytes:
    """Return a binary segmentation as a DICOM file, segments numbered from the head down.

    Empty frames are left out. Segments carry SNOMED CT codes (those of DICOM PS3.16 that pydicom
    lists); T13 and L6 have none of their own and are coded "vertebra", with the name in the label.

    Raises
    ------
    RequestError
        When there is none; see :func:`why_no_dicom_seg`.
    """
    import highdicom
    from highdicom.seg import Segmentation

    reason = why_no_dicom_seg(saved)
    if reason is not None:
        raise RequestError(reason)
    codes = _codes(saved)
    headers = _ready(saved.headers())
    made = Segmentation(
        source_images=headers,
        pixel_array=_numbered(saved, codes),
        segmentation_type="BINARY",
        segment_descriptions=[
            _segment(number, code, saved.document()["model"])
            for number, code in enumerate(codes, 1)
        ],
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="Lightbox",
        manufacturer_model_name="Lightbox vertebrae",
        software_versions=_version(),
        device_serial_number="0",
        content_description="Vertebrae, VerSe order",
        content_label="VERTEBRAE",
        series_description="Vertebrae",
        **_places(saved, headers),
    )
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "Lightbox; PS3.15 Basic Profile"
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def code_of_label(label: str) -> Code:
    """Return the SNOMED CT code of a vertebra or of the sacrum ("S1").

    >>> code_of_label("L1").value, code_of_label("T13").meaning
    ('66794005', 'Vertebra')
    """
    from pydicom.sr.codedict import codes

    name = "Sacrum" if label == LABEL_NAMES[SACRUM_CODE] else f"{label}Vertebra"
    found: Code = getattr(codes.SCT, name, codes.SCT.Vertebra)
    return found


# --- parts ---------------------------------------------------------------------------------------


def _codes(saved: SavedDetection) -> list[int]:
    """Return the codes to write, from the head down, the sacrum last."""
    codes = [found.code for found in saved.vertebrae]
    if bool((saved.labels == SACRUM_CODE).any()):
        codes.append(SACRUM_CODE)
    return codes


def _numbered(saved: SavedDetection, codes: list[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return ``(planes, rows, columns)`` with segment numbers from 1."""
    table = np.zeros(256, np.uint8)
    table[codes] = np.arange(1, len(codes) + 1)
    # (i, j, k) -> (k, j, i), each plane in one piece: highdicom reads it once for each segment.
    planes = np.empty(saved.grid.shape[::-1], np.uint8)
    for k, plane in enumerate(planes):
        plane[:] = table[saved.labels_uploaded[:, :, k].T]
    return planes


def _segment(number: int, code: int, model: str) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    label = LABEL_NAMES[code]
    return SegmentDescription(
        segment_number=number,
        segment_label="Sacrum" if code == SACRUM_CODE else label,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=code_of_label(label),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=f"Lightbox: {model}"[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=_version(),
        ),
        display_color=CIELabColor(*_lab(colour_of_code(code))),
    )


def _lab(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    from skimage.color import rgb2lab

    light, a, b = rgb2lab(np.array([[colour]], np.float64) / 255)[0, 0].tolist()
    return light, a, b


def _version() -> str:
    from engine import __version__

    return __version__


def _ready(headers: list[Dataset]) -> list[Dataset]:
    """Return the headers as highdicom wants them: one of a multi-frame, else one for each plane."""
    first = headers[0]
    return [first] if "NumberOfFrames" in first and int(first.NumberOfFrames or 1) > 1 else headers


def _places(saved: SavedDetection, headers: list[Dataset]) -> dict[str, Any]:
    """Return where the planes lie, said by the affine; single slices say it themselves."""
    if len(headers) > 1:
        return {}
    from highdicom.content import (
        PixelMeasuresSequence,
        PlaneOrientationSequence,
        PlanePositionSequence,
    )

    to_lps = np.diag([-1.0, -1.0, 1.0])
    affine, spacing = saved.uploaded_affine, saved.grid.spacing_mm
    axes = to_lps @ affine[:3, :3] / np.array(spacing)
    starts = [to_lps @ (affine[:3, 3] + k * affine[:3, 2]) for k in range(saved.grid.shape[2])]
    measures: PixelMeasuresSequence = PixelMeasuresSequence(
        pixel_spacing=(spacing[1], spacing[0]),
        slice_thickness=spacing[2],
        spacing_between_slices=spacing[2],
    )
    turn: PlaneOrientationSequence = PlaneOrientationSequence(
        coordinate_system="PATIENT",
        image_orientation=[*axes[:, 0].tolist(), *axes[:, 1].tolist()],
    )
    places: list[PlanePositionSequence] = [
        PlanePositionSequence(coordinate_system="PATIENT", image_position=start.tolist())
        for start in starts
    ]
    return {"pixel_measures": measures, "plane_orientation": turn, "plane_positions": places}

"""How large a pixel of a TIFF is, where it says so in a way that can be believed."""

from __future__ import annotations

import io
import re
from typing import Any, Final

import tifffile

__all__ = ["pixel_size_um"]

_SMALLEST_UM, _LARGEST_UM = 0.01, 50.0
_APERIO: Final = re.compile(r"MPP\s*=\s*([0-9.]+)")
_OME: Final = re.compile(r'PhysicalSizeX="([0-9.eE+-]+)"')
_OME_UNIT: Final = re.compile(r'PhysicalSizeXUnit="([^"]+)"')
_PER_UNIT: Final = {2: 25_400.0, 3: 10_000.0}  # TIFF 6.0, ResolutionUnit: inch, centimetre
_BROKEN: Final = (*(OSError, ValueError, IndexError, KeyError, TypeError), tifffile.TiffFileError)


def pixel_size_um(data: bytes) -> float | None:
    """Return the edge of a pixel in micrometres, ``None`` where the file does not tell.

    Looked for: Aperio's ``MPP``, OME's ``PhysicalSizeX``, ImageJ's ``unit=micron``, and the TIFF
    resolution. A size outside 0.01..50 µm is one of paper, not of a microscope.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page: Any = file.pages.first
            text = str(page.description)
            resolution = page.tags.get("XResolution")
            unit = page.tags.get("ResolutionUnit")
            per_unit = _ratio(resolution.value) if resolution is not None else 0.0
            code = int(unit.value) if unit is not None else 2
    except _BROKEN:
        return None
    found = _from_text(text)
    if found is None and per_unit > 0:
        is_micron = "unit=micron" in text or "unit=\\u00B5m" in text or "unit=um" in text
        found = 1 / per_unit if is_micron else _PER_UNIT.get(code, 0.0) / per_unit
    return found if found is not None and _SMALLEST_UM <= found <= _LARGEST_UM else None


def _from_text(text: str) -> float | None:
    match = _APERIO.search(text) or _OME.search(text)
    if match is None:
        return None
    unit = _OME_UNIT.search(text)
    scale = {"nm": 0.001, "mm": 1000.0}.get(unit.group(1), 1.0) if unit else 1.0
    try:
        return float(match.group(1)) * scale
    except ValueError:
        return None


def _ratio(value: object) -> float:
    if isinstance(value, tuple) and len(value) == 2 and value[1]:
        return float(value[0]) / float(value[1])
    return 0.0

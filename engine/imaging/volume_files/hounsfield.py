"""Whether numbers can be Hounsfield units: told, never guessed.

Air is -1000 HU and water 0 by definition; fat is about -100, bone above 150 to 300. A network that
is fed anything else finds nonsense without an error, so what cannot be HU is refused, and what may
not be is told.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import VolumeError
from engine.imaging.volumes import AIR_HU

__all__ = ["tidy_hu"]

_PADDING_BELOW = -1500.0  # scanners and tools mark "outside" by -2000, -3024 or -32768
_FAT_HU = -50.0
_BONE_HU = 150.0


def tidy_hu(voxels: NDArray[np.float32], *, is_declared: bool) -> tuple[str, ...]:
    """Check voxels ``(I, J, K)`` in place and return warnings.

    What is not finite or below -1500 becomes -1024 HU (outside of the scan). ``is_declared``: the
    file says that it is a CT in HU; then doubts are told and not refused.

    Raises
    ------
    VolumeError
        When these cannot be Hounsfield units.
    """
    warnings = _without_padding(voxels)
    low, high = float(voxels.min()), float(voxels.max())
    told = f"values from {low:g} to {high:g}"
    if low == high:
        raise VolumeError(
            f"Expected a CT, but all voxels are {low:g}; the file is empty. Export it again."
        )
    if low >= 0 and high <= 255:
        raise VolumeError(
            f"Expected a CT in Hounsfield units (air -1000, water 0), but got {told}: a label map "
            "or an 8-bit picture, from which they cannot be restored. Export the original CT."
        )
    if high - low <= 20:
        raise VolumeError(
            f"Expected a CT in Hounsfield units (air -1000, water 0), but got {told}: numbers that "
            "were normalised. Export the original CT."
        )
    if low >= 0 and not is_declared:
        raise VolumeError(
            f"Expected a CT in Hounsfield units (air -1000, water 0), but got {told}: an MR or "
            "another kind of scan, or a CT whose intercept was lost. If it is a CT, export it "
            "again with rescale slope and intercept (usually minus 1024) applied."
        )
    if low > _FAT_HU and not is_declared:
        raise VolumeError(
            f"Expected a CT in Hounsfield units (air -1000, fat -100, water 0), but got {told}, "
            "without air or fat: an MR or another kind of scan. Export the original CT, not cut "
            "inside the body."
        )
    if low > _FAT_HU:
        warnings.append(
            f"There is neither air nor fat in view ({told}); if this is not a CT in Hounsfield "
            "units, nothing that follows can be trusted."
        )
    if high < _BONE_HU:
        warnings.append(
            f"Nothing in view is as dense as bone ({told}); if this is not a CT in Hounsfield "
            "units, nothing that follows can be trusted."
        )
    return tuple(warnings)


def _without_padding(voxels: NDArray[np.float32]) -> list[str]:
    """Replace padding plane by plane, so that no second volume is held."""
    broken = padded = 0
    for k in range(voxels.shape[2]):
        plane = voxels[:, :, k]
        # Not "<": a comparison with NaN is False.
        bad = ~(plane >= _PADDING_BELOW) | np.isinf(plane)
        count = int(bad.sum())
        if count:
            finite = int(np.isfinite(plane[bad]).sum())
            padded += finite
            broken += count - finite
            plane[bad] = AIR_HU
    warnings: list[str] = []
    if broken > voxels.size // 2:
        raise VolumeError(
            f"Expected a CT, but {broken / voxels.size:.0%} of its voxels are not numbers; export "
            "it again."
        )
    if broken:
        warnings.append(
            f"{broken:,} voxels are not numbers; they are taken as outside of the scan."
        )
    if padded:
        warnings.append(
            f"{padded:,} voxels below -1500 HU mark what the scanner did not see; they are taken "
            "as outside of the scan."
        )
    return warnings

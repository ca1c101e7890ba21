"""How much memory a step will take, told before it begins. MB are 10⁶ bytes."""

from __future__ import annotations

from engine.imaging.headers import Header

__all__ = ["forecast_arrays_mb", "forecast_decode_mb"]

_MB = 1_000_000

# Bytes per pixel at the peak of decoding, file not counted; measured by the tests in a process
# of its own, rounded up.
_PLAIN_BYTES = {"jpeg": 8, "png": 12, "webp": 32}
_OTHER_BYTES = 20


def forecast_decode_mb(header: Header) -> float:
    """Return how much memory decoding a picture takes at its peak, from its header alone."""
    plain = _PLAIN_BYTES.get(header.kind, _OTHER_BYTES)
    each = max(plain, _OTHER_BYTES) if header.has_profile or header.has_palette else plain
    depth = max(1, header.bits // 8)  # 16 bits: two bytes for each sample, until scaled
    return header.pixels * (each + 2 * header.channels * (depth - 1)) / _MB


def forecast_arrays_mb(*shapes: tuple[int, ...], itemsize: int, copies: int = 1) -> float:
    """Return the size of arrays of ``itemsize`` bytes per element, all held at once.

    >>> forecast_arrays_mb((1000, 1000, 3), itemsize=4, copies=2)
    24.0
    """
    elements = 0
    for shape in shapes:
        count = 1
        for side in shape:
            count *= side
        elements += count
    return elements * itemsize * copies / _MB

"""How the scanner sees the patient: couch, kernel, slices, noise, field of view and range."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from engine.spine.phantoms.canvas import Canvas, Floats
from engine.spine.phantoms.traits import Scan

__all__ = [
    "add_marbling",
    "add_noise",
    "average_slices",
    "blur",
    "grain",
    "paint_table",
    "round_off",
]


def grain(
    rng: np.random.Generator, shape: tuple[int, ...], *, spacing_mm: np.ndarray, size_mm: float
) -> Floats:
    """Return a random field with mean 0 and standard deviation 1, smooth over ``size_mm``."""
    field = rng.standard_normal(shape, dtype=np.float32)
    sigmas = np.maximum(size_mm / spacing_mm, 0.0)
    if float(sigmas.max()) > 0.25:
        field = gaussian_filter(field, sigmas, mode="wrap", truncate=2.5)
        field *= np.float32(1.0 / max(float(field.std()), 1e-6))
    return field


def add_marbling(
    rng: np.random.Generator, volume: Floats, *, spacing_mm: np.ndarray, amount: float
) -> None:
    """Streak muscle with fat, and fat with small vessels and strands, over some millimetres."""
    coarse = [
        max(2, int(np.ceil(n * s / 5.0))) for n, s in zip(volume.shape, spacing_mm, strict=True)
    ]
    # 5 mm patches that are longer along the body, as muscle fibres and vessels are
    field = gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), (0.5, 0.5, 1.2))
    field *= np.float32(1.0 / max(float(field.std()), 1e-6))
    for axis in (2, 1):
        field = _stretched(field, axis, volume.shape[axis])
    first, second, weight = _neighbours(field.shape[0], volume.shape[0])
    for i, part in enumerate(volume):  # slab by slab, which stays in the processor's cache
        patches = field[first[i]] * (1 - weight[i]) + field[second[i]] * weight[i]
        tail = np.clip(patches - np.float32(0.9), 0.0, 1.3)
        tail *= np.where(part > -40, np.float32(-70 * amount), np.float32(45 * amount))
        tail *= (part > -300) & (part < 150)
        part += tail


def _neighbours(few: int, many: int) -> tuple[np.ndarray, np.ndarray, Floats]:
    """Return both neighbours among ``few`` samples of ``many`` places, and the second's weight."""
    place = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0.0, few - 1.0)
    first = np.floor(place).astype(int)
    return first, np.minimum(first + 1, few - 1), (place - first).astype(np.float32)


def _stretched(field: Floats, axis: int, count: int) -> Floats:
    """Interpolate a field linearly to ``count`` samples along one axis."""
    first, second, weight = _neighbours(field.shape[axis], count)
    shape = [1, 1, 1]
    shape[axis] = count
    weight = weight.reshape(shape)
    stretched = np.take(field, first, axis) * (1 - weight)
    stretched += np.take(field, second, axis) * weight
    return np.asarray(stretched)


def paint_table(rng: np.random.Generator, canvas: Canvas, *, below_mm: float) -> None:
    """Lay the couch: two thin curved shells below ``below_mm`` (world, before the patient lies)."""
    region = canvas.everything()
    x = np.float32(canvas.start[0]) + np.arange(canvas.shape[0], dtype=np.float32) * np.float32(
        canvas.spacing[0]
    )
    y = np.float32(canvas.start[1]) + np.arange(canvas.shape[1], dtype=np.float32) * np.float32(
        canvas.spacing[1]
    )
    bow = np.float32(rng.uniform(0.0004, 0.0012)) * x[:, None] ** 2
    plane = canvas.hu[:, :, 0] * 0 - 1000.0
    thick = float(rng.uniform(1.5, 3.5))
    for depth, sign, hu in ((0.0, 1.0, 60.0), (float(rng.uniform(30, 60)), 0.6, -100.0)):
        distance = np.abs(y[None, :] - (below_mm - depth + sign * bow)) - np.float32(thick)
        edge = np.abs(x[:, None]) - np.float32(rng.uniform(190, 260))
        shell = canvas.coverage(np.maximum(distance, edge))
        plane += shell * (np.float32(hu + rng.uniform(-150, 150)) - plane)
    air = canvas.hu[region.inside] <= -1000.0
    canvas.hu[:] = np.where(air, plane[:, :, None], canvas.hu)


def blur(volume: Floats, scan: Scan, *, spacing_mm: np.ndarray) -> Floats:
    """Apply the reconstruction kernel: smooth, and overshooting at edges when sharp."""
    sigmas = scan.blur_mm / spacing_mm
    if float(sigmas.max()) < 0.2 and scan.sharpening <= 0:
        return volume
    if float(sigmas.max()) >= 0.2:
        volume = gaussian_filter(volume, sigmas, mode="nearest", truncate=2.5)
    if scan.sharpening > 0:
        wide = np.array([1.3, 1.3, 0.0]) * np.maximum(1.0, 0.9 / spacing_mm)
        volume = volume + np.float32(scan.sharpening) * (
            volume - gaussian_filter(volume, wide, mode="nearest", truncate=2.0)
        )
    return volume


def average_slices(volume: Floats, count: int) -> Floats:
    """Average groups of ``count`` thin slices into thick ones.

    >>> average_slices(np.arange(6, dtype=np.float32).reshape(1, 1, 6), 3).tolist()
    [[[1.0, 4.0]]]
    """
    if count == 1:
        return volume
    shape = (*volume.shape[:2], volume.shape[2] // count, count)
    return volume.reshape(shape).mean(axis=3, dtype=np.float32)  # type: ignore[no-any-return]


def add_noise(rng: np.random.Generator, volume: Floats, scan: Scan) -> Floats:
    """Add noise that is alike in neighbouring pixels of a slice and free between slices."""
    field = rng.standard_normal(volume.shape, dtype=np.float32)
    field = gaussian_filter(field, (0.6, 0.6, 0.0), mode="wrap", truncate=2.5)
    field *= np.float32(scan.noise_hu / max(float(field.std()), 1e-6))
    field += volume
    return np.asarray(field)


def round_off(volume: Floats, scan: Scan) -> Floats:
    """Bring the values into a scanner's range and cut the round field of view."""
    volume = np.clip(np.rint(volume), -1024.0, 3071.0)
    if scan.round_view:
        i = np.linspace(-1, 1, volume.shape[0])[:, None]
        j = np.linspace(-1, 1, volume.shape[1])[None, :]
        volume[i * i + j * j > 1.0] = scan.outside_hu
    return volume.astype(np.float32)

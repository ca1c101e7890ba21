"""Training patches: parts of scenes, turned, with CT numbers varied far beyond what scanners do.

The network must not learn what our drawings look like. Tissues change their values, lungs fill,
vessels and bowel light up, bright things lie about, kernels blur and sharpen, fields of view are
cut. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.spine.embedded.recipe.scenes import Scene, draw_scene
from engine.spine.embedded.targets import CLASSES, SIDE_MULTIPLE, heat_of, normalised

__all__ = ["PATCH_VOXELS", "Patch", "patches_of", "stream", "varied"]

PATCH_VOXELS: Final = 64 * 64 * 96
"""Most voxels of a patch; its sides follow the scene."""

_PATCHES_OF_A_SCENE: Final = 6
_Number = TypeVar("_Number", bound=np.generic)
_AIR_HU: Final = -1024.0
_BODY: Final = CLASSES.index("body")
_VERTEBRA: Final = (CLASSES.index("body"), CLASSES.index("arch"), CLASSES.index("disc"))
_LONGEST: Final = 160


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Patch:
    """``volume`` is normalised, ``heat`` 0..1, ``classes`` indices, ``codes`` as in a scene."""

    volume: NDArray[np.float16]
    heat: NDArray[np.float16]
    classes: NDArray[np.uint8]
    codes: NDArray[np.uint8]


def stream(
    seed: int, *, first: int = 0, step: int = 1, voxels: int = PATCH_VOXELS
) -> Iterator[tuple[int, Patch]]:
    """Yield patches of endless patients, each with the patient's number; same seed, same ones."""
    number = first
    while True:
        rng = np.random.default_rng((seed, number))
        for patch in patches_of(rng, draw_scene(rng), voxels=voxels):
            yield number, patch
        number += step


def patches_of(
    rng: np.random.Generator, scene: Scene, *, voxels: int = PATCH_VOXELS
) -> Iterator[Patch]:
    """Cut patches from a scene, some for each; small scenes fit into one and give fewer."""
    count = int(np.clip(round(6 * scene.hu.size / voxels), 2, _PATCHES_OF_A_SCENE))
    for _ in range(count):
        yield _cut(rng, scene, voxels)


def _cut(rng: np.random.Generator, scene: Scene, voxels: int) -> Patch:
    shape = _sides(rng, scene.hu.shape, voxels)
    middle = _place(rng, scene, shape)
    turn = _turn(rng) if rng.random() < 0.5 else np.eye(3)
    if rng.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0, 1.0])
    # voxel of the scene = start + turn @ voxel of the patch
    start = middle - turn @ ((np.asarray(shape) - 1) / 2)
    marks = scene.classes + np.uint8(len(CLASSES)) * scene.codes  # one map to turn, not two
    if np.allclose(np.abs(turn), np.eye(3)):
        start = np.rint(start)
        flip = turn[0, 0] < 0
        hu = _block(scene.hu, start, shape, empty=_AIR_HU, flip=flip)
        marks = _block(marks, start, shape, empty=0, flip=flip)
    else:
        hu = ndimage.affine_transform(
            scene.hu, turn, start, shape, np.float32, order=1, mode="constant", cval=_AIR_HU
        )
        marks = ndimage.affine_transform(marks, turn, start, shape, np.uint8, order=0, cval=0)
    classes, codes = marks % np.uint8(len(CLASSES)), marks // np.uint8(len(CLASSES))
    centres = (scene.centres - start) @ turn  # turn is orthogonal
    inside = np.all((centres > -0.5) & (centres < np.asarray(shape) - 0.5), axis=1)
    hu = varied(rng, hu, classes)
    return Patch(
        volume=normalised(hu).astype(np.float16),
        heat=heat_of(shape, centres[inside]).astype(np.float16),
        classes=classes,
        codes=codes,
    )


def _block(
    array: NDArray[_Number],
    start: NDArray[np.float64],
    shape: tuple[int, int, int],
    *,
    empty: float,
    flip: bool,
) -> NDArray[_Number]:
    """Cut a block that begins at ``start`` and runs along the axes, the first maybe backwards."""
    first = start.astype(int)
    if flip:
        first[0] -= shape[0] - 1
    block = np.full(shape, empty, array.dtype)
    low = np.maximum(first, 0)
    high = np.minimum(first + shape, array.shape)
    if np.all(high > low):
        own = tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))
        block[own] = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return block[::-1].copy() if flip else block


def _sides(rng: np.random.Generator, scene: tuple[int, ...], voxels: int) -> tuple[int, int, int]:
    """Choose the sides of a patch: the scene's, shortened at random until they fit."""
    unit = SIDE_MULTIPLE
    sides = [int(np.clip(-(-n // unit) * unit, 2 * unit, _LONGEST)) for n in scene]
    while int(np.prod(sides)) > voxels and max(sides) > unit:
        longest = int(np.argmax(sides))
        axis = longest if rng.random() < 0.4 else int(rng.integers(3))
        if sides[axis] > 2 * unit or (sides[axis] > unit and max(sides) <= 2 * unit):
            sides[axis] -= unit
    return sides[0], sides[1], sides[2]


def _place(rng: np.random.Generator, scene: Scene, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Choose the middle of a patch: mostly so that a vertebra is in it, never far outside."""
    room = (np.asarray(shape) - 1) / 2
    if len(scene.centres) and rng.random() < 0.85:
        target = scene.centres[int(rng.integers(len(scene.centres)))]
        middle = target + rng.uniform(-0.75, 0.75, 3) * room
    else:
        middle = rng.uniform(0, 1, 3) * (np.asarray(scene.hu.shape) - 1)
    spare = 6.0  # voxels of nothing at a border
    low, high = room - spare, np.asarray(scene.hu.shape) - 1 - room + spare
    centred = (low + high) / 2
    return np.asarray(np.where(low < high, np.clip(middle, low, high), centred))


def _turn(rng: np.random.Generator) -> NDArray[np.float64]:
    x, y, z = np.deg2rad(np.clip(rng.normal(0, (9, 6, 8)), -22, 22))
    about = [
        np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]),
        np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]),
        np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]),
    ]
    return np.asarray(about[0] @ about[1] @ about[2])


def varied(
    rng: np.random.Generator, hu: NDArray[np.float32], classes: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return CT numbers as another patient, scanner or archive could have them.

    Parameters
    ----------
    rng
        Source of all randomness.
    hu
        ``(I, J, K)`` CT numbers of a drawing.
    classes
        ``(I, J, K)`` indices of ``CLASSES``.
    """
    hu = hu.copy()
    if rng.random() < 0.35:
        _fill_lungs(rng, hu, classes)
    if rng.random() < 0.45:
        _change_tissues(rng, hu, classes)
    if rng.random() < 0.5:
        _add_things(rng, hu, classes)
    if rng.random() < 0.5:
        hu = _warped(rng, hu)
    hu = _through_kernel(rng, hu)
    _add_noise(rng, hu)
    if rng.random() < 0.35:
        _cut_view(rng, hu)
    if rng.random() < 0.12:
        hu = np.clip(hu, rng.uniform(-1000, -120), rng.uniform(250, 1200))
    return hu


def _field(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> NDArray[np.float32]:
    """Return a smooth random field, mean 0 and deviation 1, with features of ``size`` voxels."""
    coarse = [max(2, int(np.ceil(n / size)) + 1) for n in shape]
    field = rng.standard_normal(coarse, dtype=np.float32)
    for axis, count in enumerate(shape):
        place = np.linspace(0, coarse[axis] - 1, count)
        low = np.minimum(place.astype(int), coarse[axis] - 2)
        weight = (
            (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        )
        field = np.take(field, low, axis) * (1 - weight) + np.take(field, low + 1, axis) * weight
    return np.asarray(field / max(float(field.std()), 1e-3), np.float32)


def _fill_lungs(
    rng: np.random.Generator, hu: NDArray[np.float32], classes: NDArray[np.uint8]
) -> None:
    """Draw vessels into lungs, and fluid or dense lung in some."""
    lung = (hu < -500) & (hu > -985) & (classes == 0)
    if not lung.any():
        return
    fine = _field(rng, hu.shape, float(rng.uniform(1.5, 3.0)))
    vessels = np.clip(fine - np.float32(rng.uniform(0.8, 1.8)), 0, 1) * np.float32(
        rng.uniform(300, 1000)
    )
    hu += vessels * lung
    if rng.random() < 0.5:
        coarse = _field(rng, hu.shape, float(rng.uniform(6, 20)))
        coarse -= np.linspace(-1, 1, hu.shape[1], dtype=np.float32)[None, :, None] * np.float32(
            rng.uniform(0, 1.5)
        )
        dense = np.clip((coarse - np.float32(rng.uniform(0.3, 2.0))) * 2, 0, 1) * lung
        hu += dense * (np.float32(rng.uniform(-300, 90)) - hu)


def _change_tissues(
    rng: np.random.Generator, hu: NDArray[np.float32], classes: NDArray[np.uint8]
) -> None:
    """Shift and stretch the CT numbers of each kind of bone and of soft tissue; widely in some."""
    wide = rng.random() < 0.3
    amount = 3.0 if wide else 1.0
    shift = np.float32(amount) * rng.normal(0, 40, len(CLASSES)).astype(np.float32)
    gain = np.exp(np.float32(0.5 * amount) * rng.normal(0, 0.3, len(CLASSES))).astype(np.float32)
    shift[0], gain[0] = 0.0, 1.0
    hu *= gain[classes]
    hu += shift[classes]
    soft = (classes == 0) & (hu > -20) & (hu < 500)
    spread = np.float32(np.exp(amount * rng.normal(0, 0.3)))
    hu += soft * ((hu - 45) * (spread - 1) + np.float32(amount * rng.normal(0, 12)))
    fat = (classes == 0) & (hu <= -20) & (hu > -200)
    hu += fat * np.float32(amount * rng.normal(0, 15))
    if wide:  # spongy bone of one body or another, unlike its neighbours
        hu += (
            (classes == _BODY)
            * _field(rng, hu.shape, float(rng.uniform(5, 12)))
            * np.float32(rng.uniform(20, 120))
        )


def _add_things(
    rng: np.random.Generator, hu: NDArray[np.float32], classes: NDArray[np.uint8]
) -> None:
    """Lay bright or dark rods and balls beside the spine: contrast, stones, tubes, gas, metal."""
    free = ~np.isin(classes, _VERTEBRA)
    for _ in range(int(rng.integers(1, 9))):
        a = rng.uniform(0, 1, 3) * hu.shape
        kind = rng.random()
        b = a + (rng.normal(0, 12, 3) if kind < 0.5 else 0.0)
        radius = float(np.exp(rng.uniform(np.log(0.6), np.log(5.0))))
        value = float(
            rng.choice(
                [rng.uniform(90, 450), rng.uniform(200, 1500), -1000, -100, 3000],
                p=(0.4, 0.35, 0.12, 0.1, 0.03),
            )
        )
        if value > 2000:
            radius = min(radius, 2.0)
        low = np.maximum(np.floor(np.minimum(a, b) - radius - 1), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(a, b) + radius + 2), hu.shape).astype(int)
        if np.any(high <= low):
            continue
        box = tuple(slice(int(p), int(q)) for p, q in zip(low, high, strict=True))
        grid = (
            np.stack(
                np.meshgrid(
                    *[np.arange(p, q) for p, q in zip(low, high, strict=True)], indexing="ij"
                ),
                -1,
            )
            - a
        )
        along = b - a
        part = np.clip(grid @ along / max(float(along @ along), 1e-6), 0, 1)
        distance = np.linalg.norm(grid - part[..., None] * along, axis=-1) - radius
        cover = np.clip(0.5 - distance, 0, 1).astype(np.float32) * free[box]
        if kind > 0.85:  # a shell: bowel or vessel with a bright wall
            cover *= np.clip(distance + 1.6, 0, 1)
        hu[box] += cover * (np.float32(value) - hu[box])


def _warped(rng: np.random.Generator, hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bend the scale of CT numbers, without changing their order."""
    knots = np.array([-1100.0, -500, -150, -50, 0, 60, 150, 300, 700, 1500, 3200])
    steps = np.diff(knots) * np.exp(rng.normal(0, 0.3, len(knots) - 1))
    moved = np.concatenate([[0.0], np.cumsum(steps)])
    moved += rng.normal(0, 15) - moved[4]
    return np.asarray(np.interp(hu, knots, moved), np.float32)


def _through_kernel(rng: np.random.Generator, hu: NDArray[np.float32]) -> NDArray[np.float32]:
    chance = rng.random()
    if chance < 0.45:
        plane = rng.uniform(0.0, 0.8)
        sigma = (plane, plane, rng.uniform(0.0, 1.1))
        return np.asarray(ndimage.gaussian_filter(hu, sigma, mode="nearest", truncate=2.5))
    if chance < 0.6:
        blurred = ndimage.gaussian_filter(hu, (0.8, 0.8, 0.0), mode="nearest", truncate=2.0)
        return np.asarray(hu + np.float32(rng.uniform(0.2, 1.2)) * (hu - blurred))
    return hu


def _add_noise(rng: np.random.Generator, hu: NDArray[np.float32]) -> None:
    if rng.random() < 0.75:
        deviation = np.float32(np.exp(rng.uniform(np.log(3), np.log(90))))
        hu += rng.standard_normal(hu.shape, dtype=np.float32) * deviation
    if rng.random() < 0.15:  # streaks from side to side, as between shoulders
        lines = rng.standard_normal((1, *hu.shape[1:]), dtype=np.float32)
        strength = np.clip(_field(rng, hu.shape, 12.0), 0, 2)
        hu += lines * strength * np.float32(rng.uniform(10, 90)) * (hu > -700)
    if rng.random() < 0.2:
        hu += _field(rng, hu.shape, 30.0) * np.float32(rng.uniform(5, 30))


def _cut_view(rng: np.random.Generator, hu: NDArray[np.float32]) -> None:
    """Take away what lies outside of a round view, beyond a plane, or in a block."""
    empty = np.float32(rng.choice([-1024.0, -2000.0, -1000.0, 0.0], p=(0.5, 0.2, 0.2, 0.1)))
    kind = rng.random()
    if kind < 0.4:
        i = np.arange(hu.shape[0])[:, None] - hu.shape[0] * rng.uniform(0.4, 0.6)
        j = np.arange(hu.shape[1])[None, :] - hu.shape[1] * rng.uniform(0.4, 0.6)
        radius = rng.uniform(0.42, 0.75) * max(hu.shape[:2])
        hu[i * i + j * j > radius * radius] = empty
    elif kind < 0.6:
        axis = int(rng.integers(3))
        count = int(rng.integers(1, max(2, hu.shape[axis] // 4)))
        part = [slice(None)] * 3
        part[axis] = slice(0, count) if rng.random() < 0.5 else slice(-count, None)
        hu[tuple(part)] = empty
    else:
        for _ in range(int(rng.integers(1, 5))):
            corner = rng.uniform(0, 1, 3) * hu.shape
            size = np.exp(rng.uniform(np.log(2), np.log(12), 3))
            box = tuple(slice(int(a), int(a + b) + 1) for a, b in zip(corner, size, strict=True))
            hu[box] = np.float32(rng.uniform(-1000, 600))

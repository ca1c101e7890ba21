"""Maps as a perfect network and as a mediocre one give them, drawn from a phantom's truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.imaging.volumes import Volume
from engine.spine.embedded.maps import SpineMaps
from engine.spine.embedded.reading import coarse_of
from engine.spine.embedded.targets import (
    CLASSES,
    GRID_MM,
    LEVELS,
    REGIONS,
    classes_of,
    heat_of,
    normalised,
    targets_of,
)
from engine.spine.phantoms import SpinePhantom, spine_phantom
from engine.spine.phantoms.sizes import LABEL_CODES


def drawn(seed: int, **options: object) -> SpinePhantom:
    """Draw a phantom on the network's grid."""
    return spine_phantom(np.random.default_rng(seed), spacing_mm=GRID_MM, **options)


def maps_of(phantom: SpinePhantom) -> SpineMaps:
    """Return the perfect maps of a phantom on the network's grid."""
    maps = targets_of(phantom).maps()
    return SpineMaps(
        heat=maps["heat"][0],
        classes=maps["classes"],
        region=maps["region"],
        level=maps["level"][0],
        affine=phantom.volume.affine,
        image_shape=phantom.volume.shape,
        image_affine=phantom.volume.affine,
    )


def with_hill(
    maps: SpineMaps, centre_mm: tuple[float, float, float] | NDArray[np.float64], height: float
) -> SpineMaps:
    """Return the maps with one more hill in the heat map."""
    at = maps.index([centre_mm])
    hill = height * heat_of(maps.shape, at)
    return replace(maps, heat=np.maximum(maps.heat, hill))


def without_hill(
    maps: SpineMaps, centre_mm: tuple[float, float, float], height: float = 0.0
) -> SpineMaps:
    """Return the maps with the hill at a place flattened to a height."""
    hill = heat_of(maps.shape, maps.index([centre_mm]))
    return replace(maps, heat=np.where(hill > 0.3, np.minimum(maps.heat, height), maps.heat))


def mediocre(maps: SpineMaps, phantom: SpinePhantom, seed: int, amount: float) -> SpineMaps:
    """Return maps as a half-trained network gives them; ``amount`` 1 is bad.

    Centres move, hills have any height, some are missing and some are false, classes are blurred
    and taken for each other in places, level and region are off together.
    """
    rng = np.random.default_rng(seed)
    centres = [one.centre_mm for one in phantom.vertebrae if one.centre_in_view]
    at = maps.index(np.array(centres).reshape(-1, 3))
    heat = np.zeros(maps.shape, np.float32)
    for place in at + rng.normal(0.0, 0.4 * amount, at.shape):
        height = 0.04 if rng.random() < 0.03 * amount else rng.uniform(1.0 - 0.6 * amount, 1.0)
        np.maximum(heat, np.float32(height) * heat_of(maps.shape, [place]), out=heat)
    bones = np.argwhere(maps.classes[0] < 0.5)
    for place in bones[rng.integers(0, len(bones), rng.poisson(4 * amount))]:
        height = rng.uniform(0.1, 0.5)
        np.maximum(heat, np.float32(height) * heat_of(maps.shape, [place]), out=heat)
    classes = np.stack([ndimage.gaussian_filter(part, 0.7 * amount) for part in maps.classes])
    logits = np.log(classes + 0.02)
    for number in range(1, len(CLASSES)):
        logits[number] += ndimage.gaussian_filter(rng.normal(0, 1, maps.shape), 2.0) * 5 * amount
    shares = np.exp(logits)
    waves = ndimage.gaussian_filter(rng.normal(0, 1, maps.shape), 3.0) * 8 * amount
    return replace(
        maps,
        heat=np.clip(heat + rng.normal(0, 0.02 * amount, maps.shape), 0, 1).astype(np.float32),
        classes=(shares / shares.sum(axis=0)).astype(np.float32),
        level=(maps.level + waves + rng.normal(0, 0.5 * amount)).astype(np.float32),
    )


class DrawnNetwork:
    """Stands in for the network: knows the truth of one phantom, answers on any grid of it.

    It tells by the pixels whether it is shown the CT flipped or a little shifted.
    """

    def __init__(self, phantom: SpinePhantom, volume: Volume | None = None) -> None:
        self.coarse = coarse_of(volume or phantom.volume)
        self._phantom = phantom
        self.calls = 0

    def __call__(self, batch: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Answer a padded batch."""
        self.calls += 1
        own = tuple(slice(0, n) for n in self.coarse.hu.shape)
        seen = normalised(self.coarse.hu)
        flipped = np.array_equal(batch[(0, 0, *own)], seen[::-1])
        affine = self.coarse.affine.copy()
        if not flipped and not np.array_equal(batch[(0, 0, *own)], seen):
            affine[:3, 3] += affine[:3, :3] @ (0.5, 0.5, 0.5)
        answer = self._answer(batch.shape[2:], affine)
        if flipped:
            turned = {name: np.zeros_like(array) for name, array in answer.items()}
            for name, array in answer.items():
                turned[name][(0, slice(None), *own)] = array[(0, slice(None), *own)][:, ::-1]
            return turned
        return answer

    def _answer(
        self, shape: tuple[int, ...], affine: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float32]]:
        phantom = self._phantom
        world = np.indices(shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
        at = np.rint(phantom.volume.voxel(world)).astype(int)
        inside = ((at >= 0) & (at < phantom.volume.shape)).all(axis=1)
        i, j, k = np.where(inside[:, None], at, 0).T
        number = np.where(inside, classes_of(phantom)[i, j, k], 0).reshape(shape)
        code = np.where(inside & phantom.bodies[i, j, k], phantom.labels[i, j, k], 0)
        names = {code: name for name, code in LABEL_CODES.items()}
        level = np.array([LEVELS.get(names.get(c, ""), 0.0) for c in range(256)], np.float32)
        region = np.full((3, 256), 1 / 3, np.float32)
        for value, name in names.items():
            region[:, value] = [part == name[0] for part in REGIONS]
        centres = [one.centre_mm for one in phantom.vertebrae if one.centre_in_view]
        inverse = np.linalg.inv(affine)
        index = np.array(centres).reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
        classes = np.equal(np.arange(len(CLASSES))[:, None, None, None], number)
        return {
            "heat": heat_of((shape[0], shape[1], shape[2]), index)[None, None],
            "classes": classes.astype(np.float32)[None],
            "region": region[:, code.reshape(shape)][None],
            "level": level[code.reshape(shape)][None, None],
        }

"""CTs drawn around the vertebrae of people: real shapes, drawn tissue, for ``spine_accuracy``.

The label maps come from VerSe (``DIR/ct/verse_masks_only``), which has them without their CTs. Bone
gets a hard shell and a spongy inside; around it lie a neck or trunk of soft tissue with fat under
the skin, and lungs beside the chest. Ribs, sacrum and skull are missing, since nobody labelled
them: what this shows is whether bodies of people are found, and names suffer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from engine.imaging.volumes import Volume
from engine.spine.vertebrae import VERSE_CODES, Point

__all__ = ["painted_people"]

_GRID_MM = 1.5
_AROUND_MM = 25.0
_FAT, _MUSCLE, _LUNG, _AIR = -100.0, 50.0, -850.0, -1000.0
_SPONGY, _SHELL = 170.0, 520.0
_SHELL_MM = 1.6
_NECK_MM, _TRUNK_MM = (62.0, 58.0), (165.0, 110.0)
_CHEST = range(9, 20)  # T2 to T12


def painted_people(folder: Path) -> Iterator[tuple[str, Volume, dict[str, Point], frozenset[str]]]:
    """Yield name, CT, centre of each body (RAS+ mm) and the names of those in view as a whole."""
    for number, (name, labels, affine, centres) in enumerate(_people(folder)):
        codes, grid = _on_grid(labels, affine)
        random = np.random.default_rng([17, number])
        hu = _painted(codes, _inside(centres, grid), random)
        whole = frozenset(VERSE_CODES[code] for code in centres if not _is_cut(labels == code))
        named = {VERSE_CODES[code]: place for code, place in centres.items()}
        yield name, Volume(voxels=hu, affine=grid), named, whole


def _people(
    folder: Path,
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.float64], dict[int, Point]]]:
    for path in sorted((folder / "labels").glob("*_seg-vert_msk.nii.gz")):
        name = path.name.removesuffix("_seg-vert_msk.nii.gz")
        labels, affine = _read(path)
        told = json.loads((folder / "centroids" / f"{name}_seg-subreg_ctd.json").read_text())
        # The centroids are in voxels of these axes, which are the label map's own.
        assert tuple(told[0]["direction"]) == nibabel.aff2axcodes(affine)
        yield name.removeprefix("sub-"), labels, affine, _in_mm(told[1:], affine)
    parts = sorted((folder / "labels" / "verse005").glob("L?_seg.nii.gz"))
    if parts:
        labels, affine = _read(parts[0])
        labels = np.zeros_like(labels)
        for path in parts:
            labels[_read(path)[0] > 0] = 19 + int(path.name[1])
        yield "verse005", labels, affine, _middles(labels, affine)


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj).astype(np.uint8), np.asarray(image.affine, float)


def _in_mm(rows: list[Mapping[str, float]], affine: NDArray[np.float64]) -> dict[int, Point]:
    return {
        int(row["label"]): _point(affine, (row["X"], row["Y"], row["Z"]))
        for row in rows
        if int(row["label"]) in VERSE_CODES
    }


def _middles(labels: NDArray[np.uint8], affine: NDArray[np.float64]) -> dict[int, Point]:
    """Return the front of each vertebra, where its body is: half of it lies before the canal."""
    found = {}
    for code in np.unique(labels[labels > 0]).tolist():
        places = np.argwhere(labels == code) @ affine[:3, :3].T + affine[:3, 3]
        front = places[places[:, 1] > np.quantile(places[:, 1], 0.5)]
        found[int(code)] = tuple(float(value) for value in front.mean(axis=0))
    return found  # type: ignore[return-value]  # three numbers each


def _point(affine: NDArray[np.float64], place: tuple[float, float, float]) -> Point:
    x, y, z = (affine @ np.array([*place, 1.0]))[:3]
    return float(x), float(y), float(z)


def _is_cut(here: NDArray[np.bool_]) -> bool:
    planes = [here.take(at, axis=axis) for axis in range(3) for at in (0, -1)]
    return any(plane.any() for plane in planes)


def _on_grid(
    labels: NDArray[np.uint8], affine: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the labels on cubes of 1.5 mm along RAS+, with room at the sides, none above."""
    corners = np.array(
        [[i, j, k, 1] for i in (0, labels.shape[0]) for j in (0, labels.shape[1])
         for k in (0, labels.shape[2])]
    )  # fmt: skip
    world = corners @ affine.T
    low, high = world[:, :3].min(axis=0), world[:, :3].max(axis=0)
    low[:2] -= _AROUND_MM
    high[:2] += _AROUND_MM
    shape = np.ceil((high - low) / _GRID_MM).astype(int)
    grid = np.diag([_GRID_MM, _GRID_MM, _GRID_MM, 1.0])
    grid[:3, 3] = low
    back = np.linalg.inv(affine) @ grid
    codes = ndimage.affine_transform(
        labels, back[:3, :3], offset=back[:3, 3], output_shape=tuple(shape), order=0
    )
    return codes, grid


def _inside(centres: Mapping[int, Point], grid: NDArray[np.float64]) -> dict[int, Point]:
    back = np.linalg.inv(grid)
    return {code: _point(back, place) for code, place in centres.items()}


def _painted(
    codes: NDArray[np.uint8], centres: Mapping[int, Point], random: np.random.Generator
) -> NDArray[np.float32]:
    """Return HU: tissue slice by slice around the spine's line, then the bones, blur and noise."""
    hu = np.full(codes.shape, _AIR, np.float32)
    order = sorted(centres, key=lambda code: centres[code][2])
    heights = [centres[code][2] for code in order]
    side, front = np.ogrid[: codes.shape[0], : codes.shape[1]]
    for k in range(codes.shape[2]):
        x, y = (
            float(np.interp(k, heights, [centres[code][axis] for code in order])) for axis in (0, 1)
        )
        nearest = min(order, key=lambda code: abs(centres[code][2] - k))
        wide, deep = (length / _GRID_MM for length in _around(nearest))
        ahead = y + (15 if nearest < 8 else 45) / _GRID_MM
        ring = np.hypot((side - x) / wide, (front - ahead) / deep)
        hu[..., k][ring < 1] = _FAT
        hu[..., k][ring < 0.88] = _MUSCLE
        if nearest in _CHEST:
            for sign in (-1, 1):
                lung = np.hypot(
                    (side - x - sign * 72 / _GRID_MM) / (50 / _GRID_MM),
                    (front - ahead) / (75 / _GRID_MM),
                )
                hu[..., k][lung < 1] = _LUNG
    bone = codes > 0
    depth = ndimage.distance_transform_edt(bone) * _GRID_MM
    hu[bone] = np.where(depth[bone] <= _SHELL_MM, _SHELL, _SPONGY) * random.uniform(0.8, 1.2)
    hu += ndimage.gaussian_filter(random.normal(0, 60, hu.shape), 1.5).astype(np.float32)
    hu = ndimage.gaussian_filter(hu, 0.5)
    hu += random.normal(0, 20, hu.shape).astype(np.float32)
    return hu.astype(np.float32)


def _around(code: int) -> tuple[float, float]:
    """Return half the width and depth of the body around a vertebra, in mm."""
    if code <= 6:
        return _NECK_MM
    if code >= 9:
        return _TRUNK_MM
    share = (code - 6) / 3
    wide, deep = (
        neck + share * (trunk - neck) for neck, trunk in zip(_NECK_MM, _TRUNK_MM, strict=True)
    )
    return wide, deep

"""Closed surfaces of labelled vertebrae: smooth, of few triangles, and of the right volume.

Each object is resampled on a bounded grid, smoothed, and cut where the volume inside equals that
of its voxels (W. Lorensen and H. Cline, 1987, in scikit-image's variant by T. Lewiner); triangles
are then taken away by quadric error (M. Garland and P. Heckbert, 1997, in fast-simplification).
"""

from __future__ import annotations

import contextlib
import math
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.spine.segmenters import LABEL_NAMES

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["Mesh", "is_closed", "mesh_of_mask", "meshes_of", "signed_volume_ml"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

FINEST_MM = 1.0
"""Voxels of the grid that surfaces are cut from are at least this large."""
MOST_VOXELS = 4_000_000
"""Larger objects are cut from a coarser grid."""
MOST_READ = 24_000_000
"""Voxels of an object's box that are read; 24 million are 24 cm in each direction at 0.8 mm."""
SMOOTHING_MM, SMOOTHING_SHARE = 0.9, 0.6
"""Width (σ) of smoothing, and its least share of a voxel, so that thick slices show no steps."""
LOWEST_LEVEL, HIGHEST_LEVEL = 0.05, 0.7
"""The smoothed mask is cut between these values, whatever the volume asks for."""
MOST_MOVED_MM = 0.3
"""A surface is moved by at most this, twice, to enclose its volume."""
FEWEST = 300
"""Triangles that any object may keep."""
_BUDGETS = (1_000, 1_000_000)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no truth value
class Mesh:
    """The surface of one object.

    ``vertices`` and ``normals`` are ``(n, 3) float32`` in RAS+ mm, normals of length 1 pointing
    outwards. ``triangles`` is ``(m, 3) int32``, counter-clockwise seen from outside. ``code`` is
    its value in the label map and ``label`` its name ("S1" for the sacrum).
    """

    label: str
    code: int
    vertices: Floats
    normals: Floats
    triangles: Indices


def meshes_of(saved: SavedDetection, *, triangles: int = 60_000) -> tuple[Mesh, ...]:
    """Return the surface of each vertebra and of the sacrum, from the head down.

    ``triangles`` bounds their number over all objects, except that each may keep 300. What was
    made is kept in the detection's own folder, and goes when that goes.

    Raises
    ------
    RequestError
        When ``triangles`` is not in 1,000..1,000,000.
    """
    if not _BUDGETS[0] <= triangles <= _BUDGETS[1]:
        raise RequestError(
            f"A mesh has {_BUDGETS[0]:,} to {_BUDGETS[1]:,} triangles, but {triangles} were asked "
            "for."
        )
    kept = saved.folder / f"meshes_{saved.shift:+d}_{triangles}.npz"
    made = _load(kept)
    if made is None:
        made = _made(saved.labels, saved.volume_affine, triangles)
        _keep(kept, made)
    return made


def mesh_of_mask(
    mask: NDArray[np.bool_], affine: NDArray[np.float64]
) -> tuple[Floats, Indices] | None:
    """Return vertices in mm and triangles of the surface around a mask ``(I, J, K)``.

    The mask may touch the border of its box: the surface closes there. None when nothing is left
    of it on the grid.
    """
    from skimage.measure import marching_cubes

    mask, affine = _thinned(mask, affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    field, first, step = _smoothed(mask, spacing)
    inside = float(np.count_nonzero(mask)) * spacing.prod() / step**3
    level = _level(field, round(inside))
    if level is None:
        return None
    found, triangles, _, _ = marching_cubes(field, level)  # type: ignore[no-untyped-call]  # scikit-image
    index = first + found * (step / spacing)
    vertices = (index @ affine[:3, :3].T + affine[:3, 3]).astype(np.float32)
    if _signed_volume(vertices, triangles) < 0:
        triangles = triangles[:, ::-1]
    triangles = np.ascontiguousarray(triangles, dtype=np.int32)
    return _filled(vertices, triangles, inside * step**3), triangles


def signed_volume_ml(vertices: NDArray[Any], triangles: NDArray[Any]) -> float:
    """Return the volume inside of a closed surface in mm; negative when it is inside out."""
    return _signed_volume(vertices, triangles) / 1000.0


def is_closed(triangles: NDArray[Any]) -> bool:
    """Whether each edge is shared by exactly two triangles that run against each other.

    >>> is_closed(np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]))
    True
    """
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    count = int(triangles.max(initial=0)) + 1
    forth, back = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    unique = np.unique(forth)
    return len(unique) == len(forth) and np.array_equal(unique, np.unique(back))


# --- cutting -------------------------------------------------------------------------------------


def _made(labels: NDArray[np.uint8], affine: NDArray[np.float64], budget: int) -> tuple[Mesh, ...]:
    surfaces = dict(_surfaces(labels, affine))
    areas = {code: _area(*surface) for code, surface in surfaces.items()}
    whole = sum(areas.values())
    made = []
    for code, (vertices, triangles) in surfaces.items():
        share = max(FEWEST, int(budget * areas[code] / whole))
        volume = _signed_volume(vertices, triangles)
        vertices, triangles = _simplified(vertices, triangles, share)
        vertices = _filled(vertices, triangles, volume)
        made.append(
            Mesh(
                label=LABEL_NAMES[code],
                code=code,
                vertices=vertices,
                normals=_normals(vertices, triangles),
                triangles=triangles,
            )
        )
    return tuple(sorted(made, key=lambda mesh: -float(mesh.vertices[:, 2].mean())))


def _surfaces(
    labels: NDArray[np.uint8], affine: NDArray[np.float64]
) -> Iterator[tuple[int, tuple[Floats, Indices]]]:
    from scipy import ndimage

    boxes = ndimage.find_objects(labels, max_label=max(LABEL_NAMES))
    for code, box in enumerate(boxes, start=1):
        if box is None or code not in LABEL_NAMES:
            continue
        moved = affine.copy()
        moved[:3, 3] += affine[:3, :3] @ [part.start for part in box]
        surface = mesh_of_mask(np.asarray(labels[box] == code), moved)
        if surface is not None:
            yield code, surface


def _thinned(
    mask: NDArray[np.bool_], affine: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Take every n-th voxel of a box that is far larger than any bone: labels gone astray."""
    step = math.ceil((mask.size / MOST_READ) ** (1 / 3))
    if step <= 1:
        return mask, affine
    coarse = affine.copy()
    coarse[:3, :3] *= step
    return mask[::step, ::step, ::step], coarse


def _smoothed(
    mask: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> tuple[Floats, NDArray[np.float64], float]:
    """Return a smooth field on an even grid, the mask's index of its first point, and its step."""
    from scipy import ndimage

    step = max(FINEST_MM, (mask.size * spacing.prod() / MOST_VOXELS) ** (1 / 3))
    sigma = np.maximum(max(SMOOTHING_MM, 0.6 * step), SMOOTHING_SHARE * spacing)
    margin = np.ceil(4 * sigma / spacing).astype(int) + 1
    padded = np.pad(mask, [(side, side) for side in margin]).astype(np.float32)
    soft = ndimage.gaussian_filter(padded, sigma / spacing, truncate=3.0, mode="constant")
    # The step in voxels is the same everywhere; the grid is centred in the padded box.
    stride = step / spacing
    sides = np.floor((np.array(soft.shape) - 1) / stride).astype(int) + 1
    first = ((np.array(soft.shape) - 1) - (sides - 1) * stride) / 2
    field = ndimage.affine_transform(
        soft, stride, offset=first, output_shape=tuple(sides.tolist()), order=1, mode="constant"
    )
    # The outermost points are outside for certain, so that the surface is closed.
    for axis in range(3):
        edge = np.moveaxis(field, axis, 0)
        edge[0] = edge[-1] = 0.0
    return field, first - margin, step


def _level(field: Floats, inside: int) -> float | None:
    """Return the value above which ``inside`` points lie: the cut that keeps the volume."""
    inside = min(max(inside, 1), field.size - 1)
    likely = field[field > LOWEST_LEVEL]  # most points are far outside: no need to sort them
    if not likely.size:
        return None
    place = max(likely.size - max(inside, 1), 0)
    level = float(np.partition(likely, place)[place])
    # A little below the value itself: a level that equals voxels would make triangles of no area.
    level = min(level, HIGHEST_LEVEL) - 1e-4
    return level if float(field.max()) > level else None


def _filled(vertices: Floats, triangles: Indices, volume: float) -> Floats:
    """Move a surface outwards or inwards, a hair's breadth, so that it encloses ``volume`` mm³.

    Smoothing takes from thin parts, and flat triangles lie inside of what is round.
    """
    for _ in range(2):
        lacks = volume - _signed_volume(vertices, triangles)
        move = float(np.clip(lacks / _area(vertices, triangles), -MOST_MOVED_MM, MOST_MOVED_MM))
        vertices = vertices + np.float32(move) * _normals(vertices, triangles)
    return vertices


# --- thinning ------------------------------------------------------------------------------------


def _simplified(vertices: Floats, triangles: Indices, most: int) -> tuple[Floats, Indices]:
    """Return at most about ``most`` triangles; more where a closed surface needs them."""
    import fast_simplification

    if len(triangles) <= most:
        return vertices, triangles
    for haste in (5, 2):  # slower keeps closer to the surface, and closed
        points, faces = fast_simplification.simplify(
            vertices, triangles, target_count=most, agg=haste
        )
        if len(faces) and is_closed(faces):
            return np.asarray(points, np.float32), np.asarray(faces, np.int32)
    return vertices, triangles


def _normals(vertices: Floats, triangles: Indices) -> Floats:
    """Return the direction of each vertex: the mean over its triangles, weighted by their area."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    summed: NDArray[np.float64] = np.stack(
        [
            np.bincount(
                triangles.ravel(), weights=np.repeat(faces[:, axis], 3), minlength=len(vertices)
            )
            for axis in range(3)
        ],
        axis=1,
    )
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    summed = summed / np.where(lengths > 0, lengths, 1.0)
    summed[lengths[:, 0] == 0] = (0.0, 0.0, 1.0)
    return summed.astype(np.float32)


def _area(vertices: Floats, triangles: Indices) -> float:
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2 or 1.0


def _signed_volume(vertices: NDArray[Any], triangles: NDArray[Any]) -> float:
    points = vertices.astype(np.float64)
    points -= points.mean(axis=0)  # near the origin, so that large terms do not cancel
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0


# --- keeping -------------------------------------------------------------------------------------

_PARTS = ("vertices", "normals", "triangles")


def _keep(path: Path, meshes: tuple[Mesh, ...]) -> None:
    arrays: Mapping[str, NDArray[Any]] = {
        f"{number}_{mesh.code}_{part}": getattr(mesh, part)
        for number, mesh in enumerate(meshes)
        for part in _PARTS
    }
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    with contextlib.suppress(OSError):  # the folder went meanwhile, or the disk is full
        with partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub wants allow_pickle first
        partial.replace(path)


def _load(path: Path) -> tuple[Mesh, ...] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    names = sorted({tuple(map(int, name.split("_")[:2])) for name in parts})
    return tuple(
        Mesh(
            label=LABEL_NAMES[code],
            code=code,
            **{part: parts[f"{number}_{code}_{part}"] for part in _PARTS},
        )
        for number, code in names
    )

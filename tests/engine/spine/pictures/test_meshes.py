"""Surfaces: closed, of the right volume and place, and of few triangles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.spine.pictures import Mesh, meshes_of
from engine.spine.pictures.meshes import is_closed, mesh_of_mask, signed_volume_ml
from tests.engine.spine.shaped_spines import (
    CODES,
    SPINE,
    Shape,
    ball,
    grid_affine,
    points_of,
    ring,
    saved_shapes,
)


def surface(
    inside: Shape, *, spacing=(1.0, 1.0, 1.0), axes="RAS", side_mm=70.0, shear=0.0
) -> tuple[NDArray, NDArray, float]:
    """Return vertices, triangles and the ml of the voxels of a shape around the origin."""
    shape = tuple(int(side_mm / step) for step in spacing)
    affine = grid_affine(axes, spacing, shape=shape, centre=(0, 0, 0))
    affine[1, 2] += shear * spacing[2]
    mask = inside(points_of(shape, affine))
    vertices, triangles = mesh_of_mask(mask, affine)
    return vertices, triangles, mask.sum() * np.prod(spacing) / 1000


def euler(vertices: NDArray, triangles: NDArray) -> int:
    """Vertices - edges + faces: 2 for a ball, 0 for a ring."""
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return len(np.unique(triangles)) - len(np.unique(edges, axis=0)) + len(triangles)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 2.5), (2.0, 2.0, 3.0)])
def test_a_ball_keeps_volume_place_and_shape(spacing: tuple[float, float, float]) -> None:
    """A ball of 20 mm has 33.5 ml within 2 %, radii of 20 mm within 1 mm, and no hole."""
    vertices, triangles, voxels_ml = surface(ball((1, -2, 3), 20.0), spacing=spacing)
    assert is_closed(triangles)
    assert euler(vertices, triangles) == 2
    volume = signed_volume_ml(vertices, triangles)
    assert volume == pytest.approx(voxels_ml, rel=0.01)
    assert volume == pytest.approx(4 / 3 * np.pi * 20**3 / 1000, rel=0.02)
    radii = np.linalg.norm(vertices - [1, -2, 3], axis=1)
    assert np.abs(radii - 20.0).max() < 0.5 * max(spacing)


def test_a_ring_keeps_its_hole() -> None:
    """The canal of a vertebra is a hole: Euler's number of a torus is 0."""
    vertices, triangles, _ = surface(ring((0, 0, 0), 18.0, 5.0))
    assert euler(vertices, triangles) == 0
    volume = 2 * np.pi**2 * 18 * 5**2 / 1000
    assert signed_volume_ml(vertices, triangles) == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("axes", ["LPS", "ILA", "PIR"])
def test_the_file_s_axes_do_not_matter(axes: str) -> None:
    """Triangles look outwards and vertices lie in mm, also where an axis runs backwards."""
    vertices, triangles, _ = surface(ball((5, -8, 10), 15.0), axes=axes)
    assert signed_volume_ml(vertices, triangles) > 0
    assert np.abs(vertices.mean(axis=0) - [5, -8, 10]).max() < 0.3


def test_a_sheared_grid_gives_a_true_shape() -> None:
    """On a grid whose slices are shifted against each other a ball stays a ball."""
    vertices, triangles, _ = surface(ball((0, 0, 0), 18.0), shear=0.3)
    assert is_closed(triangles)
    assert np.abs(np.linalg.norm(vertices, axis=1) - 18.0).max() < 1.0


def test_what_touches_the_border_is_closed_there() -> None:
    """A ball cut in half by the end of the scan has half the volume and a flat lid."""
    shape, affine = (
        (50, 50, 25),
        grid_affine(spacing=(1.0, 1.0, 1.0), shape=(50, 50, 25), centre=(0, 0, 12.5)),
    )
    mask = ball((0, 0, 0), 20.0)(points_of(shape, affine))
    vertices, triangles = mesh_of_mask(mask, affine)
    assert is_closed(triangles)
    half = 2 / 3 * np.pi * 20**3 / 1000
    assert signed_volume_ml(vertices, triangles) == pytest.approx(half, rel=0.03)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 1), (3, 3, 1)])
def test_crumbs_do_no_harm(shape: tuple[int, int, int]) -> None:
    """A single voxel or a thin plate gives a closed surface or none."""
    found = mesh_of_mask(np.ones(shape, bool), np.diag([0.5, 0.5, 5.0, 1.0]))
    assert found is None or is_closed(found[1])


def test_noise_is_closed_as_well() -> None:
    """A map without any shape, as random weights make it, gives a closed surface."""
    mask = np.random.default_rng(0).random((12, 12, 12)) > 0.6
    _, triangles = mesh_of_mask(mask, np.diag([3.0, 3.0, 3.0, 1.0]))
    assert is_closed(triangles)


def test_a_label_gone_astray_is_cut_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object as large as the body is read in steps, and its volume still holds."""
    monkeypatch.setattr("engine.spine.pictures.meshes.MOST_READ", 40_000)
    monkeypatch.setattr("engine.spine.pictures.meshes.MOST_VOXELS", 30_000)
    vertices, triangles, voxels_ml = surface(ball((0, 0, 0), 30.0))
    assert is_closed(triangles)
    assert signed_volume_ml(vertices, triangles) == pytest.approx(voxels_ml, rel=0.05)


def test_an_open_surface_is_told_from_a_closed_one() -> None:
    """Without one of its four faces a tetrahedron has edges with one side only."""
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    assert is_closed(faces)
    assert not is_closed(faces[:3])
    assert not is_closed(np.vstack([faces[:3], faces[3, ::-1]]))


# --- of a whole spine ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mesh, ...]:
    folder = tmp_path_factory.mktemp("spine")
    shapes = {**SPINE, "S1": ball((20.0, -15.0, -160.0), 12.0)}
    affine = grid_affine("LPS", (1.5, 1.5, 2.0), shape=(70, 70, 120), centre=(8, -6, -72))
    saved = saved_shapes(folder, shapes, shape=(70, 70, 120), affine=affine)
    return meshes_of(saved, triangles=6_000)


def test_each_vertebra_has_a_surface_from_the_head_down(meshes: tuple[Mesh, ...]) -> None:
    """Names, codes and order are those of the label map; the sacrum comes along."""
    assert [mesh.label for mesh in meshes] == ["T12", "L1", "L2", "L3", "L4", "S1"]
    assert [mesh.code for mesh in meshes] == [CODES[mesh.label] for mesh in meshes]


def test_simplified_surfaces_stay_closed_and_true(meshes: tuple[Mesh, ...]) -> None:
    """With a thousand triangles each, balls of 14.1 ml keep their volume within 3 %."""
    assert sum(len(mesh.triangles) for mesh in meshes) <= 6_100
    for mesh in meshes[:5]:
        assert is_closed(mesh.triangles)
        volume = signed_volume_ml(mesh.vertices, mesh.triangles)
        assert volume == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.03)


def test_normals_point_outwards(meshes: tuple[Mesh, ...]) -> None:
    """On a ball the normal of each vertex is the direction from its middle."""
    for mesh in meshes[:5]:
        away = mesh.vertices - mesh.vertices.mean(axis=0)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        cosines = np.sum(away * mesh.normals, axis=1)
        assert cosines.min() > 0.7
        assert cosines.mean() > 0.98
        assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_surfaces_are_kept_beside_the_detection(tmp_path: Path) -> None:
    """The second time they are read from the folder, equal to the last bit."""
    saved = saved_shapes(tmp_path, {"L1": SPINE["L1"], "L2": SPINE["L2"]})
    first = meshes_of(saved)
    kept = [path.name for path in saved.folder.glob("meshes*")]
    assert kept == ["meshes_+0_60000.npz"]
    second = meshes_of(saved)
    for one, other in zip(first, second, strict=True):
        assert (one.label, one.code) == (other.label, other.code)
        assert np.array_equal(one.vertices, other.vertices)
        assert np.array_equal(one.normals, other.normals)
        assert np.array_equal(one.triangles, other.triangles)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_a_torn_file_of_surfaces_is_made_again(tmp_path: Path, content: bytes) -> None:
    """What cannot be read counts as not there."""
    saved = saved_shapes(tmp_path, {"L1": SPINE["L1"]})
    (saved.folder / "meshes_+0_60000.npz").write_bytes(content)
    assert len(meshes_of(saved)) == 1


def test_a_folder_that_went_meanwhile_does_not_matter(tmp_path: Path) -> None:
    """Surfaces are made although they cannot be kept."""
    saved = saved_shapes(tmp_path, {"L1": SPINE["L1"]})
    assert saved.labels.any()  # still mapped after the folder has gone
    for path in saved.folder.iterdir():
        path.unlink()
    saved.folder.rmdir()
    assert len(meshes_of(saved)) == 1


def test_names_follow_a_shift(tmp_path: Path) -> None:
    """After all names moved, surfaces carry the new ones in the same places."""
    saved = saved_shapes(tmp_path, {"L1": SPINE["L1"]})
    (before,) = meshes_of(saved)
    (after,) = meshes_of(saved.renamed(1))
    assert (before.label, after.label) == ("L1", "L2")
    assert np.array_equal(before.vertices, after.vertices)


def test_an_empty_map_has_no_surface(tmp_path: Path) -> None:
    """Nothing found, nothing cut."""
    assert meshes_of(saved_shapes(tmp_path, {})) == ()


@pytest.mark.parametrize("triangles", [0, -1, 999, 1_000_001])
def test_senseless_budgets_are_refused(tmp_path: Path, triangles: int) -> None:
    """The message says how many triangles there may be."""
    saved = saved_shapes(tmp_path, {})
    with pytest.raises(RequestError, match=r"1,000 to 1,000,000 triangles, but"):
        meshes_of(saved, triangles=triangles)

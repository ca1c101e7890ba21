"""GLB and STL: parsed by hand after their specifications, closed, named, in the right place."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.imaging.palettes import Colour
from engine.spine.exports.surfaces import GLB_TRIANGLES, STL_TRIANGLES, glb, glb_of, stl, stl_of
from engine.spine.pictures import LABEL_COLOURS, Mesh
from engine.spine.pictures.meshes import is_closed, signed_volume_ml
from engine.spine.saved import SavedDetection
from tests.engine.spine.shaped_spines import CODES, SPINE, ball, saved_shapes

BALL_ML = 4 / 3 * np.pi * 15**3 / 1000


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedDetection:
    shapes = {**SPINE, "S1": ball((20.0, -15.0, -158.0), 10.0)}
    return saved_shapes(tmp_path_factory.mktemp("spine"), shapes)


@pytest.fixture(scope="module")
def scene(saved: SavedDetection) -> tuple[dict[str, Any], bytes]:
    return chunks_of(glb(saved))


def chunks_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return JSON and binary part of a GLB after §4.4 of glTF 2.0."""
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    assert size % 4 == 0
    document = json.loads(data[20 : 20 + size])
    rest = data[20 + size :]
    if not rest:
        return document, b""
    length, kind = struct.unpack_from("<I4s", rest)
    assert kind == b"BIN\0"
    assert length == len(rest) - 8
    return document, rest[8:]


def array_of(document: dict[str, Any], binary: bytes, number: int) -> NDArray:
    """Return an accessor's values."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
    width = {"VEC3": 3, "SCALAR": 1}[accessor["type"]]
    assert view["byteOffset"] % 4 == 0
    part = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    return np.frombuffer(part, kind).reshape(accessor["count"], width)


def mesh_of(document: dict[str, Any], binary: bytes, name: str) -> tuple[NDArray, NDArray, NDArray]:
    """Return positions, normals and triangles of the node of that name."""
    (node,) = (node for node in document["nodes"] if node["name"] == name)
    (part,) = document["meshes"][node["mesh"]]["primitives"]
    position = array_of(document, binary, part["attributes"]["POSITION"])
    normal = array_of(document, binary, part["attributes"]["NORMAL"])
    triangles = array_of(document, binary, part["indices"]).reshape(-1, 3).astype(np.int64)
    return position, normal, triangles


def test_each_vertebra_is_a_named_node_below_the_root(scene: tuple) -> None:
    """From the head down, with its code; the sacrum is called so."""
    document, _ = scene
    root = document["nodes"][document["scenes"][document["scene"]]["nodes"][0]]
    names = [document["nodes"][child]["name"] for child in root["children"]]
    assert names == ["T12", "L1", "L2", "L3", "L4", "sacrum"]
    codes = [document["nodes"][child]["extras"]["code"] for child in root["children"]]
    assert codes == [CODES[name] for name in ("T12", "L1", "L2", "L3", "L4", "S1")]


def test_surfaces_are_closed_with_the_volume_of_their_labels(scene: tuple) -> None:
    """Balls of 14.1 ml come back as closed surfaces of 14.1 ml within 3 %."""
    for name in SPINE:
        position, normal, triangles = mesh_of(*scene, name)
        assert is_closed(triangles)
        assert triangles.max() < len(position) == len(normal)
        assert signed_volume_ml(position, triangles) == pytest.approx(BALL_ML, rel=0.03)


def test_vertices_lie_in_patient_mm_and_the_root_turns_them(scene: tuple) -> None:
    """Stored in RAS+ mm; in glTF's world head is +y, front +z, the patient's left +x, in metres."""
    document, binary = scene
    matrix = np.array(document["nodes"][0]["matrix"]).reshape(4, 4).T
    assert np.linalg.det(matrix[:3, :3]) > 0  # no mirror image
    position, _, _ = mesh_of(document, binary, "L2")
    middle = position.mean(axis=0)
    assert np.abs(middle - [8.0, -6.0, -68.0]).max() < 0.6
    world = matrix @ [*middle, 1.0]
    assert np.abs(world[:3] - [-0.008, -0.068, -0.006]).max() < 0.0006


def test_accessors_tell_the_range_of_positions(scene: tuple) -> None:
    """POSITION has to have min and max, and viewers frame the scene by them."""
    document, binary = scene
    for mesh in document["meshes"]:
        number = mesh["primitives"][0]["attributes"]["POSITION"]
        values = array_of(document, binary, number)
        assert document["accessors"][number]["min"] == pytest.approx(values.min(axis=0).tolist())
        assert document["accessors"][number]["max"] == pytest.approx(values.max(axis=0).tolist())


def test_colours_are_those_of_the_page(scene: tuple) -> None:
    """The base colour is linear light; turned to sRGB it is the label's colour."""
    document, _ = scene

    def srgb(linear: list[float]) -> Colour:
        shares = [v * 12.92 if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in linear]
        red, green, blue = (round(255 * share) for share in shares)
        return red, green, blue

    for node in document["nodes"][1:]:
        (part,) = document["meshes"][node["mesh"]]["primitives"]
        factor = document["materials"][part["material"]]["pbrMetallicRoughness"]["baseColorFactor"]
        assert srgb(factor[:3]) == LABEL_COLOURS[node["extras"]["code"]]
        assert factor[3] == 1.0


def test_a_large_mesh_gets_wide_indices() -> None:
    """From 65,535 vertices on, 16 bits do not count them."""
    count = 70_000
    mesh = Mesh(
        label="L1",
        code=20,
        vertices=np.random.default_rng(0).random((count, 3), np.float32),
        normals=np.zeros((count, 3), np.float32),
        triangles=np.array([[0, 1, count - 1]], np.int32),
    )
    document, binary = chunks_of(glb_of([mesh]))
    _, _, triangles = mesh_of(document, binary, "L1")
    assert triangles.tolist() == [[0, 1, count - 1]]


def test_no_mesh_is_a_valid_scene() -> None:
    """Without surfaces there is an empty root and no empty list, which glTF forbids."""
    document, binary = chunks_of(glb_of([]))
    assert binary == b""
    assert [] not in document.values()
    assert document["nodes"] == [{"name": "spine", "matrix": document["nodes"][0]["matrix"]}]


def test_files_are_small(saved: SavedDetection) -> None:
    """A phone gets at most 60,000 triangles, a printer 250,000."""
    document, binary = chunks_of(glb(saved))
    triangles = sum(
        document["accessors"][mesh["primitives"][0]["indices"]]["count"] // 3
        for mesh in document["meshes"]
    )
    assert triangles <= 1.02 * GLB_TRIANGLES
    assert len(binary) < 8_000_000
    assert len(stl(saved)) <= 84 + 50 * 1.02 * STL_TRIANGLES


# --- STL -----------------------------------------------------------------------------------------


def facets_of(data: bytes) -> tuple[NDArray, NDArray]:
    """Return normals and corners of a binary STL."""
    (count,) = struct.unpack_from("<I", data, 80)
    assert len(data) == 84 + 50 * count
    rows = np.frombuffer(data[84:], np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")]))
    return rows["n"], rows["c"]


def test_the_stl_holds_all_objects_in_patient_mm(saved: SavedDetection) -> None:
    """Its volume is the sum of all, its box that of the shapes, and it says its unit and axes."""
    data = stl(saved)
    _, corners = facets_of(data)
    flat = corners.reshape(-1, 3)
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6000
    expected = 5 * BALL_ML + 4 / 3 * np.pi * 10**3 / 1000
    assert volume == pytest.approx(expected, rel=0.03)
    assert np.abs(flat.min(axis=0) - [-15.0, -27.0, -168.0]).max() < 1.5
    assert np.abs(flat.max(axis=0) - [31.0, 15.0, 15.0]).max() < 1.5
    assert b"SPACE=RAS" in data[:80]
    assert b"millimetres" in data[:80]
    assert not data[:80].startswith(b"solid")  # which would mean text


def test_stl_normals_follow_the_corners(saved: SavedDetection) -> None:
    """Each facet's normal is that of its corners, counter-clockwise."""
    normals, corners = facets_of(stl(saved))
    expected = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(expected, axis=1)
    solid = lengths > 1e-3
    cosine = np.sum(normals * expected, axis=1)[solid] / lengths[solid]
    assert cosine == pytest.approx(1.0, abs=1e-3)


def test_an_empty_stl_has_no_facet() -> None:
    """Eighty bytes and a zero."""
    assert len(stl_of([])) == 84

"""Surfaces of the vertebrae as files: GLB for looking, STL for printing and planning.

GLB: glTF 2.0 (Khronos), metres, y up. STL: binary, RAS+ mm, all objects in one solid.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.imaging.palettes import Colour
from engine.spine.pictures.colours import colour_of_code
from engine.spine.pictures.meshes import Mesh, meshes_of

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection

__all__ = ["GLB_TRIANGLES", "RAS_MM_TO_GLTF", "STL_TRIANGLES", "glb", "glb_of", "stl", "stl_of"]

GLB_TRIANGLES = 60_000
"""Over all vertebrae: about 1.5 MB, which a phone turns without effort."""
STL_TRIANGLES = 250_000
"""Over all vertebrae: 12.5 MB."""

# Column-major, as glTF writes it. glTF: y up, the front of a model faces +z, its right is -x.
RAS_MM_TO_GLTF: tuple[float, ...] = (
    *(-0.001, 0.0, 0.0, 0.0),
    *(0.0, 0.0, 0.001, 0.0),
    *(0.0, 0.001, 0.0, 0.0),
    *(0.0, 0.0, 0.0, 1.0),
)
"""Matrix of the root node: from RAS+ mm, in which vertices are stored, to glTF's metres."""

_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963
_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_STL_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")])


def glb(saved: SavedDetection) -> bytes:
    """Return the vertebrae and the sacrum as GLB; see :func:`glb_of`."""
    return glb_of(meshes_of(saved, triangles=GLB_TRIANGLES))


def stl(saved: SavedDetection) -> bytes:
    """Return the vertebrae and the sacrum as binary STL; see :func:`stl_of`."""
    return stl_of(meshes_of(saved, triangles=STL_TRIANGLES))


def glb_of(meshes: Sequence[Mesh]) -> bytes:
    """Return surfaces as GLB: one node and mesh each, named ("L1"), with its colour.

    Vertices are stored in RAS+ mm; the root node "spine" turns them into glTF's axes and metres.
    ``extras.code`` of each node is its value in the label map. The sacrum's node is "sacrum".
    """
    writer = _Buffer()
    shapes = [_mesh(mesh, material, writer) for material, mesh in enumerate(meshes)]
    document: dict[str, Any] = {
        "asset": {
            "version": "2.0",
            "generator": "Lightbox",
            "extras": {"vertices": "RAS+ mm; the root node turns them to metres, y up"},
        },
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {
                "name": "spine",
                "matrix": list(RAS_MM_TO_GLTF),
                **({"children": list(range(1, len(meshes) + 1))} if meshes else {}),
            },
            *(
                {"name": _name(mesh), "mesh": number, "extras": {"code": mesh.code}}
                for number, mesh in enumerate(meshes)
            ),
        ],
    }
    if meshes:
        document |= {
            "meshes": shapes,
            "materials": [_material(mesh) for mesh in meshes],
            "accessors": writer.accessors,
            "bufferViews": writer.views,
            "buffers": [{"byteLength": len(writer.data)}],
        }
    return _packed(document, bytes(writer.data))


def stl_of(meshes: Sequence[Mesh]) -> bytes:
    """Return surfaces as one binary STL in RAS+ mm; the 80 bytes at its start say so."""
    head = b"Lightbox vertebrae; millimetres; SPACE=RAS".ljust(80)
    rows = np.zeros(sum(len(mesh.triangles) for mesh in meshes), _STL_ROW)
    start = 0
    for mesh in meshes:
        part = rows[start : start + len(mesh.triangles)]
        corners = mesh.vertices[mesh.triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        part["normal"] = normals / np.where(lengths > 0, lengths, 1.0)
        part["corners"] = corners
        start += len(mesh.triangles)
    return head + struct.pack("<I", len(rows)) + rows.tobytes()


# --- glTF ----------------------------------------------------------------------------------------


class _Buffer:
    """The binary part of a GLB, with the views and accessors that describe it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add_vectors(self, vectors: NDArray[np.float32], *, has_range: bool) -> int:
        """Append ``(n, 3)`` numbers and return their accessor; POSITION has to tell its range."""
        number = self.add(
            vectors.astype("<f4"), target=_ARRAY_BUFFER, component=_FLOAT, kind="VEC3"
        )
        if has_range:
            self.accessors[number] |= {
                "min": vectors.min(axis=0).astype(float).tolist(),
                "max": vectors.max(axis=0).astype(float).tolist(),
            }
        return number

    def add(self, array: NDArray[Any], *, target: int, component: int, kind: str) -> int:
        """Append an array and return the number of its accessor."""
        self.data += bytes(-len(self.data) % 4)
        self.views.append(
            {
                "buffer": 0,
                "byteOffset": len(self.data),
                "byteLength": array.nbytes,
                "target": target,
            }
        )
        self.data += array.tobytes()
        self.accessors.append(
            {
                "bufferView": len(self.views) - 1,
                "componentType": component,
                "count": len(array),
                "type": kind,
            }
        )
        return len(self.accessors) - 1


def _mesh(mesh: Mesh, material: int, writer: _Buffer) -> dict[str, Any]:
    position = writer.add_vectors(mesh.vertices, has_range=True)
    normal = writer.add_vectors(mesh.normals, has_range=False)
    is_small = len(mesh.vertices) < 65_535  # 65,535 itself is reserved
    indices = writer.add(
        mesh.triangles.ravel().astype("<u2" if is_small else "<u4"),
        target=_ELEMENT_BUFFER,
        component=_USHORT if is_small else _UINT,
        kind="SCALAR",
    )
    return {
        "name": _name(mesh),
        "primitives": [
            {
                "attributes": {"POSITION": position, "NORMAL": normal},
                "indices": indices,
                "material": material,
            }
        ],
    }


def _material(mesh: Mesh) -> dict[str, Any]:
    return {
        "name": _name(mesh),
        "pbrMetallicRoughness": {
            "baseColorFactor": [*_linear(colour_of_code(mesh.code)), 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": 0.7,
        },
    }


def _linear(colour: Colour) -> list[float]:
    """Return a colour as glTF wants it: linear light, not sRGB."""
    shares = [part / 255 for part in colour]
    return [round(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4, 5) for v in shares]


def _name(mesh: Mesh) -> str:
    return "sacrum" if mesh.label == "S1" else mesh.label


def _packed(document: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data += bytes(-len(data) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if data:
        chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

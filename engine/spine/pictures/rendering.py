"""The spine in three dimensions as one picture: for pages without WebGL, and for reports.

Triangles are drawn by software from back to front, lit from the viewer's side. No perspective, so
that lengths compare; a bar says how long 50 mm are, and letters which side is which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.imaging.palettes import Colour
from engine.spine.pictures.colours import colour_of_code
from engine.spine.pictures.lettering import Lettering, spread
from engine.spine.pictures.meshes import Mesh, meshes_of
from engine.spine.pictures.slices import png

if TYPE_CHECKING:
    from engine.spine.saved import SavedDetection
    from engine.spine.vertebrae import Point

__all__ = ["Ground", "SpineView", "spine_picture", "spine_png"]

Ground = Literal["black", "white"]
Picture = NDArray[np.uint8]

_SIDES = (64, 2000)
_FINER = 2  # drawn so much larger and then averaged: smooth outlines
_AMBIENT = 0.30
_BAR_MM = 50.0
_DIRECTIONS = (("A", 0.0), ("L", 90.0), ("P", 180.0), ("R", 270.0))
"""What faces the viewer at which azimuth."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SpineView:
    """From where to look, and on what.

    ``azimuth_deg``: 0 from the front, 90 from the patient's left, 180 from behind. ``width`` and
    ``height`` are pixels of the picture, 64..2000.

    Raises
    ------
    RequestError
        When a number is out of range or not finite.
    """

    azimuth_deg: float = 0.0
    width: int = 600
    height: int = 800
    ground: Ground = "black"

    def __post_init__(self) -> None:
        if not math.isfinite(self.azimuth_deg) or abs(self.azimuth_deg) > 3600:
            raise RequestError(
                f"azimuth has to be a number of degrees within ±3600, but got {self.azimuth_deg}."
            )
        for name in ("width", "height"):
            side = getattr(self, name)
            is_whole = isinstance(side, (int, np.integer))
            if not is_whole or not _SIDES[0] <= side <= _SIDES[1]:
                raise RequestError(
                    f"{name} has to be a whole number of pixels from {_SIDES[0]} to {_SIDES[1]}, "
                    f"but got {side!r}."
                )
        if self.ground not in ("black", "white"):
            raise RequestError(f"ground has to be black or white, but got {self.ground!r}.")

    @property
    def right(self) -> NDArray[np.float64]:
        """Direction of the picture's columns in RAS."""
        turn = math.radians(self.azimuth_deg % 360.0)
        return np.array([-math.cos(turn), -math.sin(turn), 0.0])

    @property
    def towards(self) -> NDArray[np.float64]:
        """Direction from the spine to the viewer in RAS."""
        turn = math.radians(self.azimuth_deg % 360.0)
        return np.array([-math.sin(turn), math.cos(turn), 0.0])


def spine_png(
    saved: SavedDetection, azimuth_deg: float = 0.0, width: int = 600, height: int = 800
) -> bytes:
    """Return the vertebrae in their colours, seen from any side, as PNG.

    Raises
    ------
    RequestError
        When the azimuth or a side is out of range; see :class:`SpineView`.
    """
    view = SpineView(azimuth_deg=azimuth_deg, width=width, height=height)
    return png(spine_picture(saved, view))


def spine_picture(saved: SavedDetection, view: SpineView) -> Picture:
    """Return ``(height, width, 3) uint8 RGB``; see :func:`spine_png`."""
    names = {found.code: found.vertebra.centre_mm for found in saved.vertebrae}
    return draw(meshes_of(saved), names, view)


def draw(meshes: Sequence[Mesh], centres_mm: dict[int, Point], view: SpineView) -> Picture:
    """Draw surfaces, with names beside those whose code has a centre."""
    import cv2

    paper = 12 if view.ground == "black" else 255
    ink: Colour = (235, 235, 235) if view.ground == "black" else (30, 30, 30)
    fine = np.full((view.height * _FINER, view.width * _FINER, 3), paper, np.uint8)
    if not meshes:
        picture = fine[::_FINER, ::_FINER]
        lettering = Lettering(picture, ink=ink, paper=(paper,) * 3)
        lettering.write("No vertebra to show", (view.width / 2, view.height / 2), anchor="mm")
        return lettering.picture()
    frame = _Frame.around(meshes, view)
    _draw_triangles(fine, meshes, frame, view)
    small = cv2.resize(fine, (view.width, view.height), interpolation=cv2.INTER_AREA)
    picture = np.asarray(small, np.uint8)
    lettering = Lettering(picture, ink=ink, paper=(paper,) * 3, size=frame.text_px)
    _draw_names(lettering, meshes, centres_mm, frame, view)
    _draw_marks(lettering, frame, view)
    return lettering.picture()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where mm lie in the picture: ``scale`` pixels per mm around ``middle`` at ``centre``."""

    middle: NDArray[np.float64]
    centre: tuple[float, float]
    scale: float
    names_at: float
    text_px: int

    @classmethod
    def around(cls, meshes: Sequence[Mesh], view: SpineView) -> _Frame:
        low = np.min([mesh.vertices.min(axis=0) for mesh in meshes], axis=0).astype(np.float64)
        high = np.max([mesh.vertices.max(axis=0) for mesh in meshes], axis=0).astype(np.float64)
        text_px = int(np.clip(view.height / 50, 9, 22))
        beside, edge = 4.6 * text_px, 1.6 * text_px
        # The same scale from every side: the spine does not breathe while it turns.
        wide = float(np.linalg.norm((high - low)[:2]))
        scale = min(
            (view.width - beside - 2 * edge) / max(wide, 1.0),
            (view.height - 2.6 * edge) / max(float(high[2] - low[2]), 1.0),
        )
        return cls(
            middle=(low + high) / 2,
            centre=((view.width - beside) / 2, (view.height - 0.6 * edge) / 2),
            scale=max(scale, 1e-3),
            names_at=view.width - beside,
            text_px=text_px,
        )

    def pixels(self, points_mm: NDArray[Any], view: SpineView) -> NDArray[np.float64]:
        """Return (column, row) ``(n, 2)`` of points ``(n, 3)``."""
        away = np.asarray(points_mm, np.float64) - self.middle
        return np.stack(
            [
                self.centre[0] + self.scale * (away @ view.right),
                self.centre[1] - self.scale * away[:, 2],
            ],
            axis=1,
        )


def _draw_triangles(
    canvas: Picture, meshes: Sequence[Mesh], frame: _Frame, view: SpineView
) -> None:
    import cv2

    corners, depths, colours = [], [], []
    for mesh in meshes:
        facing = mesh.normals[mesh.triangles].mean(axis=1) @ view.towards
        flat = np.cross(
            mesh.vertices[mesh.triangles[:, 1]] - mesh.vertices[mesh.triangles[:, 0]],
            mesh.vertices[mesh.triangles[:, 2]] - mesh.vertices[mesh.triangles[:, 0]],
        )
        seen = flat @ view.towards > 0  # the far side of a closed surface is hidden by the near one
        shown = mesh.triangles[seen]
        normals = mesh.normals[shown].mean(axis=1)
        corners.append(frame.pixels(mesh.vertices, view)[shown])
        depths.append((mesh.vertices @ view.towards)[shown].mean(axis=1))
        light = _light(normals, np.maximum(facing[seen], 0.0), view)
        colours.append(light[:, np.newaxis] * np.array(colour_of_code(mesh.code)))
    order = np.argsort(np.concatenate(depths))
    # Whole numbers with four binary places, as OpenCV draws fractions of a pixel.
    points = np.rint((np.concatenate(corners) * _FINER + (_FINER - 1) / 2) * 16).astype(np.int32)
    shades = np.clip(np.concatenate(colours), 0, 255).tolist()
    for number in order.tolist():
        cv2.fillConvexPoly(canvas, points[number], shades[number], cv2.LINE_8, 4)


def _light(
    normals: NDArray[np.float32], facing: NDArray[Any], view: SpineView
) -> NDArray[np.float64]:
    """Return how bright each triangle is: a lamp above the viewer's left shoulder."""
    lamp = view.towards - 0.45 * view.right + np.array([0.0, 0.0, 0.55])
    lamp /= np.linalg.norm(lamp)
    lengths = np.maximum(np.linalg.norm(normals, axis=1), 1e-6)
    lit = np.maximum((normals @ lamp) / lengths, 0.0)
    shine: NDArray[np.float64] = _AMBIENT + 0.55 * lit + 0.22 * facing + 0.18 * lit**12
    return shine


def _draw_names(
    lettering: Lettering,
    meshes: Sequence[Mesh],
    centres_mm: dict[int, Point],
    frame: _Frame,
    view: SpineView,
) -> None:
    """Write each name to the right, at its own height or as near as there is room."""
    named = [mesh for mesh in meshes if mesh.code in centres_mm]
    if not named:
        return
    points = frame.pixels(np.array([centres_mm[mesh.code] for mesh in named]), view)
    order = np.argsort(points[:, 1]).tolist()
    rows = spread(points[order, 1], least=1.15 * frame.text_px, within=(0.0, view.height))
    for at, row in zip(order, rows, strict=True):
        edge = _edge(named[at], points[at], frame, view)
        colour = colour_of_code(named[at].code)
        end = (frame.names_at - 4.0, row)
        lettering.line([(edge, float(points[at, 1])), (frame.names_at - 14.0, row), end], colour)
        lettering.write(named[at].label, (frame.names_at, row), anchor="lm", bold=True)


def _edge(mesh: Mesh, point: NDArray[np.float64], frame: _Frame, view: SpineView) -> float:
    """Return where the line of a name begins: right of the object, at its centre's height."""
    pixels = frame.pixels(mesh.vertices, view)
    near = np.abs(pixels[:, 1] - point[1]) < 4
    return float(pixels[near, 0].max() if near.any() else point[0]) + 3.0


def _draw_marks(lettering: Lettering, frame: _Frame, view: SpineView) -> None:
    """Draw the bar of 50 mm, and letters for what lies left and right in the picture."""
    turn = view.azimuth_deg % 360.0
    left, right = (_letter((turn + quarter) % 360.0) for quarter in (270.0, 90.0))
    row = view.height / 2
    edge = 0.5 * frame.text_px
    lettering.write(left, (edge, row), anchor="lm")
    lettering.write(right, (view.width - edge, row), anchor="rm")
    length = _BAR_MM * frame.scale
    base = view.height - 0.9 * frame.text_px
    start = frame.text_px
    if length <= frame.names_at - 6 * frame.text_px:
        lettering.line([(start, base), (start + length, base)], lettering.ink, width=2)
        lettering.write("50 mm", (start + length + 6, base), anchor="lm")


def _letter(turn: float) -> str:
    """Return the letters of the direction that faces the viewer at an azimuth."""
    away = {letter: abs((turn - at + 180.0) % 360.0 - 180.0) for letter, at in _DIRECTIONS}
    near = sorted((letter for letter in away if away[letter] < 67.5), key=lambda one: away[one])
    return "".join(near)

"""What the drawing surface sends, Fabric.js objects in its own pixels, to strokes of the picture.

Each object tells by its colour what it was meant to be (:func:`ink`), and the drawing tells by a
hidden object which box of which picture it lies on (:func:`sheet`). So a drawing that arrives
late, after the tool or the box has changed, is still understood as it was meant.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast, final

import numpy as np
from numpy.typing import NDArray

from engine.annotation.raster import Box
from engine.annotation.strokes import TOOLS, Points, Stroke, Tool, on_grid
from engine.errors import RequestError

__all__ = ["Drawn", "Seed", "Sheet", "from_canvas", "ink", "sheet_drawing"]

_INK: Final = re.compile(r"rgba\((\d+), (\d+), (\d+), 0\.(\d)(\d{3})(\d)\)")
_Places = NDArray[np.float64]
_CURVE_STEP_PX: Final = 3.0
_LONGEST_CURVE: Final = 64
_STILL_PX: Final = 0.5
_CLICK_PX: Final = 3.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The paper under a drawing: which box of which picture, on how many pixels of the canvas."""

    image: str
    box: Box
    width: int
    height: int
    name: str

    def to_picture(self, places: _Places) -> _Places:
        """Return places of the canvas as places of the picture."""
        scale = np.array([self.box.width / self.width, self.box.height / self.height])
        return np.asarray(places * scale + (self.box.left, self.box.top))

    @property
    def scale(self) -> float:
        """Pixels of the picture per pixel of the canvas."""
        return self.box.width / self.width


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A click or a path with a tool that finds its area itself, from (x, y) of the picture.

    ``points`` and ``width_px`` are the path; a click has one point.
    """

    tool: Tool
    state: int
    x: float
    y: float
    mark: str
    points: Points = field(default_factory=lambda: np.zeros((0, 2), np.float32), compare=False)
    width_px: float = 0.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A drawing as it arrived: its sheet, and its strokes and clicks in their order."""

    sheet: Sheet
    marks: tuple[Stroke | Seed, ...]


def ink(tool: Tool, state: int, colour: tuple[int, int, int], *, opacity: float) -> str:
    """Return a colour for the canvas that also says tool and state, in digits nobody sees.

    >>> ink("brush", 2, (0, 158, 115), opacity=0.4)
    'rgba(0, 158, 115, 0.40020)'
    """
    tenth = min(9, max(0, round(opacity * 10)))
    return f"rgba({colour[0]}, {colour[1]}, {colour[2]}, 0.{tenth}{state:03}{TOOLS.index(tool)})"


def sheet_drawing(sheet: Sheet) -> dict[str, Any]:
    """Return an empty drawing that carries ``sheet``."""
    box = sheet.box
    label = json.dumps(
        [
            *(sheet.name, sheet.image, box.left, box.top, box.right, box.bottom),
            *(sheet.width, sheet.height),
        ]
    )
    hidden = {
        "type": "LabeledRect",
        "label": label,
        "visible": False,
        "selectable": False,
        "evented": False,
        "left": 0,
        "top": 0,
        "width": 1,
        "height": 1,
        "strokeWidth": 0,
    }
    return {"version": "7", "objects": [hidden]}


def from_canvas(drawing: Mapping[str, Any], *, known: Container[str] = ()) -> Drawn | None:
    """Return what a drawing means; ``None`` when it carries no sheet of ours.

    Objects whose marks are ``known`` are passed over. Objects that mean nothing, such as a click
    of a tool that needs a path, are left out.
    """
    objects = [value for value in drawing.get("objects") or () if isinstance(value, Mapping)]
    sheet = next((found for found in map(_sheet, objects) if found), None)
    if sheet is None:
        return None
    marks = [mark for mark in _marks(objects, sheet, known) if mark]
    return Drawn(sheet=sheet, marks=tuple(marks))


def _sheet(value: Mapping[str, Any]) -> Sheet | None:
    if value.get("type") != "LabeledRect" or not value.get("label"):
        return None
    try:
        name, image, *numbers = json.loads(value["label"])
        left, top, right, bottom, width, height = map(int, numbers)
    except (ValueError, TypeError):
        return None
    box = Box(left=left, top=top, right=right, bottom=bottom)
    if box.is_empty or width < 1 or height < 1:
        return None
    return Sheet(image=str(image), box=box, width=width, height=height, name=str(name))


def _marks(
    objects: list[Mapping[str, Any]], sheet: Sheet, known: Container[str]
) -> Iterator[Stroke | Seed | None]:
    seen: dict[str, int] = {}
    for value in objects:
        meaning = _INK.fullmatch(str(value.get("stroke", "")))
        if meaning is None or int(meaning[6]) >= len(TOOLS):
            continue
        text = json.dumps([sheet.name, value], sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()[:20]
        seen[mark] = seen.get(mark, 0) + 1  # the same click twice is two strokes
        name = f"{mark}-{seen[mark]}"
        if name not in known:
            yield _meant(value, sheet, meaning, name)


def _meant(
    value: Mapping[str, Any], sheet: Sheet, meaning: re.Match[str], mark: str
) -> Stroke | Seed | None:
    tool: Tool = TOOLS[int(meaning[6])]
    try:
        places = sheet.to_picture(_places(value, sheet.scale))
        width = float(value.get("strokeWidth", 1)) * sheet.scale
        if tool in ("fill", "smart"):
            return _seed(tool, int(meaning[5]), places, width=width, scale=sheet.scale, mark=mark)
        return Stroke(
            tool=tool,
            state=int(meaning[5]),
            points=cast("NDArray[np.float32]", places),
            width_px=width if tool in ("brush", "eraser") else 0.0,
            mark=mark,
        )
    except (RequestError, TypeError, ValueError, KeyError):
        return None


def _seed(
    tool: Tool, state: int, places: _Places, *, width: float, scale: float, mark: str
) -> Seed:
    is_click = float(np.ptp(places, axis=0).max()) < _CLICK_PX * scale
    start = places.mean(axis=0, keepdims=True) if is_click else places
    return Seed(
        tool=tool,
        state=state,
        x=float(start[0, 0]),
        y=float(start[0, 1]),
        mark=mark,
        points=on_grid(start),
        width_px=width,
    )


def _places(value: Mapping[str, Any], scale: float) -> _Places:
    """Return the places of an object on the canvas, moved and turned as it is."""
    kind = value["type"]
    if kind == "Path":
        places = _path(value["path"], scale)
        middle = (places.min(axis=0) + places.max(axis=0)) / 2
        moved = _placed(value, places - middle)
        # As the pen went: nothing computed.
        return places if np.abs(moved - places).max() < _STILL_PX else moved
    width, height = float(value["width"]), float(value["height"])
    if kind == "Circle":
        return _placed(value, np.zeros((1, 2)))
    if kind == "Polygon":
        corners = np.array([[point["x"], point["y"]] for point in value["points"]], np.float64)
        return _placed(value, corners - (corners.min(axis=0) + corners.max(axis=0)) / 2)
    x, y = width / 2, height / 2
    return _placed(value, np.array([[-x, -y], [x, -y], [x, y], [-x, y]]))


def _placed(value: Mapping[str, Any], places: _Places) -> _Places:
    """Return places around an object's middle as places of the canvas."""
    wide, high = float(value.get("scaleX", 1)), float(value.get("scaleY", 1))
    border = float(value.get("strokeWidth", 0))
    sides = np.array([float(value["width"]) * wide, float(value["height"]) * high])
    sides += border if value.get("strokeUniform") else border * np.array([wide, high])
    turn = math.radians(float(value.get("angle", 0)))
    spin = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    parts = {"left": 0.5, "top": 0.5, "center": 0.0, "right": -0.5, "bottom": -0.5}
    offset = np.array([parts[value.get("originX", "left")], parts[value.get("originY", "top")]])
    middle = np.array([float(value["left"]), float(value["top"])]) + (offset * sides) @ spin
    return np.asarray((places * (wide, high)) @ spin + middle)


def _path(steps: list[list[Any]], scale: float) -> _Places:
    """Return the places along a path of moves, lines and curves of second degree."""
    found: list[_Places] = []
    here = np.zeros(2)
    for step in steps:
        numbers = np.array(step[1:], np.float64).reshape(-1, 2)
        if str(step[0]).upper() == "Z" or not len(numbers):
            continue
        if step[0] == "Q":
            found.append(_curve(here, numbers[0], numbers[1], scale))
        else:
            found.append(numbers[-1:])
        here = numbers[-1]
    places = np.concatenate(found)
    moved = np.ones(len(places), bool)
    moved[1:] = (places[1:] != places[:-1]).any(axis=1)
    return np.asarray(places[moved])


def _curve(start: _Places, control: _Places, end: _Places, scale: float) -> _Places:
    bend = float(np.abs(start - 2 * control + end).max()) * scale
    pieces = max(1, min(_LONGEST_CURVE, math.ceil(math.sqrt(bend / _CURVE_STEP_PX * 8))))
    t = (np.arange(1, pieces + 1) / pieces)[:, np.newaxis]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t * t * end)

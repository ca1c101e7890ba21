"""What callers of the eye check may send: names, types, and how a picture gets out of them.

Both doors, Gradio's endpoints and the plain routes, check with the same functions, so the same
mistake gets the same sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from engine.errors import PictureError, RequestError, TooLargeError
from engine.imaging import pictures
from engine.settings import Settings
from ui_gradio.vault import PREFIX, Vault

__all__ = ["PARAMETERS", "BoxDict", "FrameDict", "ImageDict", "PictureReader", "check"]


class BoxDict(TypedDict):
    """A face in pixels of its frame: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float


class FrameDict(TypedDict, total=False):
    """One frame; ``image`` is a data URI and the only field that must be there."""

    image: str
    score: float
    blur: float
    box: BoxDict


class ImageDict(TypedDict, total=False):
    """A picture as Gradio's clients send it: a data URI in ``url``, or an uploaded ``path``."""

    url: str
    path: str


_Check = Callable[[str, object, Settings], None]


def check(endpoint: str, arguments: Mapping[str, object], settings: Settings) -> None:
    """Check names and types of the ``arguments`` for an endpoint; pixels are not looked at.

    Raises
    ------
    RequestError
        When a name is missing or unknown or a value has the wrong type; names the field.
    """
    known = PARAMETERS[endpoint]
    for name in arguments:
        if name not in known:
            raise RequestError(
                f"'{name}' is not a parameter of {endpoint}; it takes "
                f"{', '.join(known) or 'no parameters'}."
            )
    for name, (required, look) in known.items():
        if name in arguments:
            look(name, arguments[name], settings)
        elif required:
            raise RequestError(
                f"'{name}' is missing; {endpoint} takes {', '.join(known)}, "
                f"and '{name}' must be there."
            )


def _check_frames(name: str, value: object, settings: Settings) -> None:
    if not isinstance(value, list) or not value:
        raise RequestError(
            f"'{name}' must be a list with at least one frame such as "
            f'{{"image": "data:image/png;base64,…"}}, but is {_said(value)}.'
        )
    if len(value) > settings.max_frames:
        raise RequestError(
            f"'{name}' has {len(value)} frames but at most {settings.max_frames} are taken; "
            "send the sharpest."
        )
    for index, frame in enumerate(value):
        _check_frame(f"{name}[{index}]", frame)


def _check_frame(where: str, frame: object) -> None:
    if not isinstance(frame, dict):
        raise RequestError(f"'{where}' must be an object with an 'image', but is {_said(frame)}.")
    _no_strangers(where, frame, ("image", "score", "blur", "box"))
    _check_text(f"{where}.image", frame.get("image"))
    for name in ("score", "blur"):
        if frame.get(name) is not None:
            _check_number(f"{where}.{name}", frame[name])
    if (box := frame.get("box")) is not None:
        if not isinstance(box, dict):
            raise RequestError(f"'{where}.box' must be {{x, y, w, h}}, but is {_said(box)}.")
        _no_strangers(f"{where}.box", box, ("x", "y", "w", "h"))
        for name in ("x", "y", "w", "h"):
            _check_number(f"{where}.box.{name}", box.get(name))


def _check_image(name: str, value: object, _settings: Settings) -> None:
    if isinstance(value, dict):
        source = value.get("url") or value.get("path")
        if not isinstance(source, str) or not source:
            raise RequestError(
                f"'{name}' must have a 'url' with a data URI or an uploaded 'path', "
                f"but has {', '.join(map(str, value)) or 'nothing'}."
            )
        return
    _check_text(name, value)


def _check_text_field(name: str, value: object, _settings: Settings) -> None:
    if not isinstance(value, str):
        raise RequestError(f"'{name}' must be a text, but is {_said(value)}.")


def _check_switch(name: str, value: object, _settings: Settings) -> None:
    if not isinstance(value, bool):
        raise RequestError(f"'{name}' must be true or false, but is {_said(value)}.")


PARAMETERS: Final[Mapping[str, Mapping[str, tuple[bool, _Check]]]] = {
    "predict": {"frames": (True, _check_frames), "report": (False, _check_switch)},
    "upload": {"image": (True, _check_image), "report": (False, _check_switch)},
    "screen_frame": {
        "frame": (True, _check_image),
        "session": (False, _check_text_field),
        "finish": (False, _check_switch),
        "report": (False, _check_switch),
    },
    "health": {},
}
"""Per endpoint and parameter: whether it must be there, and how its value is checked."""


class PictureReader:
    """Turns what a request holds into pixels, within the limits of the settings."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._max_bytes = settings.max_upload_mb * 1_000_000
        self._max_pixels = settings.max_megapixels * 1_000_000
        self._vault = vault

    def read(self, image: str | Mapping[str, Any], *, name: str = "image") -> NDArray[np.uint8]:
        """Return the picture as ``(H, W, 3) uint8 RGB``; errors begin with the field's name.

        Raises
        ------
        RequestError
            When the text is no data URI and names no upload.
        PictureError, TooLargeError
            When the bytes are not a picture or are above a limit.
        """
        if isinstance(image, Mapping):
            image = str(image.get("url") or image.get("path") or "")
        try:
            if image.startswith(PREFIX):
                return self.read_bytes(self._vault.take(image))
            return pictures.decode_data_uri(
                image, max_pixels=self._max_pixels, max_bytes=self._max_bytes
            )
        except (RequestError, TooLargeError, PictureError) as error:
            raise type(error)(f"{name}: {error}") from error

    def read_bytes(self, data: bytes) -> NDArray[np.uint8]:
        """Return the picture in the bytes of a file."""
        return pictures.decode(data, max_pixels=self._max_pixels, max_bytes=self._max_bytes)

    def read_frames(self, frames: Sequence[Mapping[str, Any]]) -> list[NDArray[np.uint8]]:
        """Return the pictures of ``frames``, in order.

        Raises
        ------
        InputError
            As :meth:`read`, and when all frames together have too many pixels.
        """
        read: list[NDArray[np.uint8]] = []
        pixels = 0
        for index, frame in enumerate(frames):
            read.append(self.read(frame["image"], name=f"frames[{index}].image"))
            pixels += read[-1].shape[0] * read[-1].shape[1]
            if pixels > self._max_pixels:
                raise TooLargeError(
                    f"The frames up to number {index + 1} have {pixels / 1e6:.0f} million pixels "
                    f"together but at most {self._max_pixels / 1e6:.0f} are taken; "
                    "send fewer or smaller frames."
                )
        return read


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise RequestError(
            f"'{name}' must be a data URI such as 'data:image/png;base64,…', but is {_said(value)}."
        )


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise RequestError(f"'{name}' must be a number, but is {_said(value)}.")


def _no_strangers(where: str, value: Mapping[str, object], known: Sequence[str]) -> None:
    for name in value:
        if name not in known:
            raise RequestError(
                f"'{where}.{name}' is not known; a {where.rpartition('.')[2]} has "
                f"{', '.join(known)}."
            )


def _said(value: object) -> str:
    """Return the kind of a JSON value in words."""
    names: dict[type, str] = {bool: "true or false", int: "a number", float: "a number"}
    names |= {str: "a text", list: "a list", dict: "an object"}
    if value is None:
        return "missing or null"
    if value in ("", [], {}):
        return "empty"
    return names.get(type(value), type(value).__name__)

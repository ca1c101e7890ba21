"""Windows: which CT numbers a grey picture shows, from black to white.

Formula: DICOM PS3.3 C.11.2.1.2.1 (linear). Presets are those in common use for CT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError

__all__ = ["WINDOWS", "Window", "window_of", "windows_json"]

_WIDEST = 65_536.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window: ``centre`` and ``width`` in HU, a short ``name`` and a ``title`` for people.

    Raises
    ------
    RequestError
        When the width is below 2 HU, or a number leaves ±65,536 HU.
    """

    name: str
    title: str
    centre: float
    width: float

    def __post_init__(self) -> None:
        is_usable = math.isfinite(self.centre) and abs(self.centre) <= _WIDEST
        if not is_usable or not 2.0 <= self.width <= _WIDEST:
            raise RequestError(
                f"A window has a centre within ±{_WIDEST:.0f} HU and a width of 2 to "
                f"{_WIDEST:.0f} HU, but got centre {self.centre} and width {self.width}."
            )

    def grey(self, hu: NDArray[Any]) -> NDArray[np.uint8]:
        """Return CT numbers of any shape as grey 0..255.

        >>> Window(name="", title="", centre=40, width=400).grey(np.array([-160, 40, 240])).tolist()
        [0, 128, 255]
        """
        scaled = np.asarray(hu, np.float32) - np.float32(self.centre - 0.5)
        scaled *= np.float32(255.0 / (self.width - 1.0))
        scaled += np.float32(127.5 + 0.5)  # the half rounds
        return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


WINDOWS: tuple[Window, ...] = (
    Window(name="bone", title="Bone", centre=400, width=1800),
    Window(name="spine", title="Spine, soft parts", centre=50, width=250),
    Window(name="soft-tissue", title="Soft tissue", centre=40, width=400),
    Window(name="lung", title="Lung", centre=-600, width=1500),
    Window(name="wide", title="Metal, wide", centre=1000, width=4000),
)
"""Presets, the one for vertebrae first."""


def window_of(text: str) -> Window:
    """Return a preset by its name, or the window ``"centre,width"`` in HU.

    >>> window_of("300,1500").width
    1500.0

    Raises
    ------
    RequestError
        For anything else.
    """
    presets = {window.name: window for window in WINDOWS}
    if text in presets:
        return presets[text]
    try:
        centre, width = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"Expected a window ({', '.join(presets)}) or 'centre,width' in HU such as "
            f"'400,1800', but got {text[:40]!r}."
        ) from None
    return Window(name="own", title="Own", centre=centre, width=width)


def windows_json() -> list[dict[str, Any]]:
    """Return the presets as a document."""
    return [
        {"name": one.name, "title": one.title, "centre": one.centre, "width": one.width}
        for one in WINDOWS
    ]

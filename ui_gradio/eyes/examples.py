"""Pictures to try the page with: eyes that we rendered, and one free photograph of a face.

The photograph, scikit-image's astronaut (NASA, public domain), is read from the installed package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, final

import numpy as np

from engine.errors import PictureError
from engine.shipped import shipped

__all__ = ["EXAMPLES", "Example", "example_file"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture; ``name`` is its file name in the address, ``title`` its text on the page."""

    name: str
    title: str
    read: Callable[[], bytes]


def example_file(name: str) -> bytes:
    """Return the JPEG of an example.

    Raises
    ------
    PictureError
        When there is no example of this name.
    """
    for example in EXAMPLES:
        if example.name == name:
            return example.read()
    names = ", ".join(example.name for example in EXAMPLES)
    raise PictureError(f"There is no example {name!r}; there are {names}.")


@cache
def _astronaut() -> bytes:
    """Return the face cut out and enlarged: in the whole photograph the eyes are 20 px wide."""
    import cv2
    from skimage import data

    from engine.imaging import pictures

    whole = data.astronaut()  # type: ignore[no-untyped-call]  # the package has no types
    face = cv2.resize(whole[:256, 96:352], (768, 768), interpolation=cv2.INTER_CUBIC)
    return pictures.encode_jpeg(face.astype(np.uint8), quality=90)


def _rendered(name: str) -> Callable[[], bytes]:
    def read() -> bytes:
        return Path(shipped("examples", name)).read_bytes()

    return read


EXAMPLES: Final = (
    Example(name="face.jpg", title="A photograph", read=_astronaut),
    Example(name="healthy.jpg", title="Drawn eye: healthy", read=_rendered("eye_healthy.jpg")),
    Example(
        name="cataract.jpg", title="Drawn eye: clouded lens", read=_rendered("eye_cataract.jpg")
    ),
    Example(
        name="conjunctivitis.jpg",
        title="Drawn eye: reddened",
        read=_rendered("eye_conjunctivitis.jpg"),
    ),
    Example(name="stye.jpg", title="Drawn eye: swollen lid", read=_rendered("eye_stye.jpg")),
    Example(name="not-an-eye.jpg", title="Not an eye", read=_rendered("not_an_eye.jpg")),
)

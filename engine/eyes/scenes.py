"""Decide what a still shows: a face, a close-up of an eye, or nothing that we can use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.eyes.close_ups import find_close_up
from engine.eyes.faces import Face
from engine.eyes.finders import FinderChain
from engine.eyes.landmarks import (
    AnatomyReading,
    CascadeLandmarker,
    EyeLocation,
    Landmarker,
    has_eyes,
    locate_eyes,
)
from engine.eyes.results import Scene, Side

__all__ = ["SURE", "SceneFound", "read_scene"]

SURE: Final = 0.6
"""Confidence from which a face is believed although its eyes cannot be seen."""

CERTAIN: Final = 0.8
"""Confidence from which a face is not questioned. Below it, an eye that is more than 0.6 times as
wide as the face (0.2 is usual) shows that the picture is a close-up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFound:
    """What a still shows; ``eyes`` are the person's own, by side.

    ``reasons`` are sentences for the person, for example that there were several faces.
    """

    scene: Scene
    face: Face | None
    eyes: Mapping[Side, EyeLocation]
    reasons: tuple[str, ...] = ()


def read_scene(
    picture: NDArray[np.uint8],
    *,
    finder: FinderChain,
    landmarker: Landmarker,
    cascades: CascadeLandmarker,
    anatomy_reader: AnatomyReading | None = None,
    mirrored: bool = False,
) -> SceneFound:
    """Find the eyes of a still.

    A face must hold an eye where a face has it (both, when its finder doubts or when it is turned),
    or have been surely seen by the surer finder; a close-up that a finder takes for a face does
    not. A picture without a face is read as a close-up, and only then turned, because a turned
    phone is rarer than a close-up.

    Parameters
    ----------
    picture
        ``(H, W, 3) uint8 RGB``, upright as far as its EXIF data tell.
    finder, landmarker, cascades, anatomy_reader
        What to see with; ``cascades`` confirms faces.
    mirrored
        Whether the picture is shown as in a mirror.
    """
    faces = finder.find(picture)
    kept = next((f for f in faces if _is_face(picture, f, cascades)), None)
    if kept is None or kept.confidence < CERTAIN:
        eyes = find_close_up(picture, anatomy_reader, mirrored=mirrored)
        widest = max((eye.width_px for eye in eyes.values()), default=0.0)
        if eyes and (kept is None or widest > 0.6 * kept.box.width):
            return SceneFound(scene="close_up", face=None, eyes=eyes)
        # A face whose eyes are closed or covered is still a face, when the finder was sure.
        kept = kept or next((face for face in faces if face.confidence >= SURE), None)
    if kept is None:
        faces = finder.find_sideways(picture)
        kept = next((face for face in faces if cascades.count(picture, face) == 2), None)
    if kept is None:
        return SceneFound(
            scene="nothing",
            face=None,
            eyes={},
            reasons=("No face and no eye was found in the picture.",),
        )
    located = locate_eyes(
        picture, kept, landmarker, mirrored=mirrored, anatomy_reader=anatomy_reader
    )
    return SceneFound(scene="face", face=kept, eyes=located, reasons=_about(faces))


def _is_face(picture: NDArray[np.uint8], face: Face, cascades: CascadeLandmarker) -> bool:
    if face.confidence < SURE:
        return cascades.count(picture, face) == 2
    return face.source == "hog" or has_eyes(picture, face, cascades=cascades)


def _about(faces: list[Face]) -> tuple[str, ...]:
    if len(faces) < 2:
        return ()
    return (f"{len(faces)} faces are in the picture; the largest one was used.",)

"""Rendered eyes as samples: for pre-training and mixing, never for reported accuracy.

All classes are drawn in one style, by one camera model: here nothing but the disease tells the
classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from engine.eyes.recipe.samples import CLASSES, Sample
from engine.eyes.rendered import Framing, RenderedEye, render_eye

__all__ = ["drawn_eyes", "drawn_sample"]

_SIZE: Final = (160, 180)
_FRAMINGS: Final[tuple[Framing, ...]] = ("region", "canonical", "any", "close_up", "half_face")
_SHARES: Final = (0.45, 0.3, 0.1, 0.1, 0.05)
_CLASS_SHARES: Final = (0.3, 0.3, 0.3, 0.1)
_MIN_VISIBLE: Final = 0.2
"""A drawn disease fainter than this (0..1) is no example of it; drawn again."""

_MAX_HEALTHY_REDNESS: Final = 0.3
_ZOOM: Final = (0.0, 0.62, 0.0, 0.85)


def drawn_sample(seed: int, *, label: int | None = None) -> Sample:
    """Draw the eye of a seed; its class is drawn too unless ``label`` gives it."""
    rng = np.random.default_rng([7, seed])
    if label is None:
        label = int(rng.choice(len(CLASSES), p=_CLASS_SHARES))
    while True:
        framing = _FRAMINGS[int(rng.choice(len(_FRAMINGS), p=_SHARES))]
        eye = render_eye(rng, condition=CLASSES[label], size=_SIZE, framing=framing)
        if _is_example(eye):
            break
    (ax, ay), (bx, by) = eye.corners
    return Sample(
        pixels=eye.picture,
        regions=eye.labels,
        # The renderer counts from the centre of the first pixel, crops from its corner.
        corners=((ax + 0.5, ay + 0.5), (bx + 0.5, by + 0.5)),
        label=label,
        group=f"drawn-{seed}",
        key=f"drawn-{seed}",
        kind="rendered",
        closest_zoom=_ZOOM[label],
    )


def drawn_eyes(count: int, *, cache: Path | None = None, first_seed: int = 0) -> list[Sample]:
    """Draw ``count`` eyes, or read them from ``cache`` when they lie there already."""
    path = None if cache is None else cache / f"drawn-{first_seed}-{count}.npz"
    if path is not None and path.is_file():
        return list(_read(path))
    drawn = [drawn_sample(first_seed + i) for i in range(count)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            pixels=np.stack([s.pixels for s in drawn]),
            regions=np.stack([s.regions for s in drawn if s.regions is not None]),
            corners=np.array([s.corners for s in drawn]),
            labels=np.array([s.label for s in drawn]),
        )
    return drawn


def _read(path: Path) -> Iterator[Sample]:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for index, label in enumerate(arrays["labels"].tolist()):
        (ax, ay), (bx, by) = arrays["corners"][index].tolist()
        yield Sample(
            pixels=arrays["pixels"][index],
            regions=arrays["regions"][index],
            corners=((ax, ay), (bx, by)),
            label=label,
            group=f"drawn-{index}",
            key=f"drawn-{index}",
            kind="rendered",
            closest_zoom=_ZOOM[label],
        )


def _is_example(eye: RenderedEye) -> bool:
    """Tell whether what the class is named for can be seen in the drawing at all."""
    visible = float((eye.labels > 0).sum()) / max(eye.eye_width_px**2, 1.0)
    if eye.condition == "Conjunctivitis":
        return eye.redness >= _MIN_VISIBLE and visible > 0.05
    if eye.condition == "Cataract":
        pupil = bool((eye.labels == 3).sum() >= 12)
        return eye.lens_opacity >= _MIN_VISIBLE and pupil
    if eye.condition == "Healthy":
        return eye.redness <= _MAX_HEALTHY_REDNESS and visible > 0.02
    return True

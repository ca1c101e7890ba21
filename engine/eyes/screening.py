"""The eye check: pictures of one person in, one careful answer for each eye out.

:func:`screen` is the short way. A server keeps one :class:`EyeScreener`, which holds the models
and no picture, and opens an :class:`engine.eyes.streaming.EyeStream` for each visitor's webcam.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, LightboxError, ModelError
from engine.eyes import keeping, landmarks, quality
from engine.eyes.anatomy import AnatomyReader
from engine.eyes.classifier import EyeClassifier
from engine.eyes.crops import OUT_HEIGHT, OUT_WIDTH
from engine.eyes.judging import Case, HeatMaps, Judge
from engine.eyes.results import Screening, Side
from engine.eyes.sighting import Eyes, EyeSight, FollowedFace, Sighting, Stopwatch
from engine.eyes.streaming import EyeStream
from engine.eyes.wording import NOTICE
from engine.gradcam import checks
from engine.inference import cards
from engine.inference.cards import ModelCard
from engine.memory_guard import MemoryGuard
from engine.settings import Settings
from engine.shipped import shipped

__all__ = ["BEST_FRAMES", "EyeScreener", "screen"]

_LOG = logging.getLogger(__name__)

Picture = NDArray[np.uint8]

BEST_FRAMES = 5
"""Scores are averaged over at most so many frames of an eye, the best that pass."""

_OPEN_MB = 250.0
"""Memory that opening the models takes, measured."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What is opened once: everything that reads files or compiles a network."""

    eyes: Eyes
    classifier: EyeClassifier
    judge: Judge
    licence_note: str


@final
class EyeScreener:
    """Checks eyes; safe to share between threads.

    Building it is free; the models open on first use, or in :meth:`warm`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings.from_env()
        self._guard = MemoryGuard(floor_mb=self._settings.memory_floor_mb)
        self._lock = threading.Lock()
        self._opened: _Parts | None = None
        self._failure = ""

    def check(self) -> None:
        """Check the eye model's folder against its card and the settings; opens no network.

        Raises
        ------
        ModelError
            When the folder is refused, or is not the model that the settings ask for.
        """
        _check_contract(cards.load(_model_folder(self._settings)), self._settings)

    def warm(self) -> None:
        """Open the models and run them once, so that the first visitor does not wait.

        Raises
        ------
        ModelError
            When a model folder cannot be used.
        MemoryShortError
            When free memory would fall below the floor.
        """
        from engine.eyes.rendered import render_eye

        eye = render_eye(np.random.default_rng(0), condition="Healthy", framing="canonical")
        watch = Stopwatch()
        self._answer([self._parts().eyes.look(eye.picture, watch=watch)], watch=watch)

    @contextmanager
    def warming(self) -> Iterator[None]:
        """Open the models in the background while the body runs.

        At its end the background is waited for: a process that ends while a network is being
        opened is aborted by the network's library.
        """
        thread = threading.Thread(target=self._warm_or_tell, name="warm-eyes", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(timeout=60)

    def _warm_or_tell(self) -> None:
        try:
            self.warm()
        except LightboxError as error:
            self._failure = str(error)
            _LOG.error("the eye check cannot be used: %s", error)

    def screen(
        self,
        pictures: Sequence[Picture],
        *,
        followed: FollowedFace | None = None,
        mirrored: bool = False,
        heat_maps: HeatMaps | None = None,
    ) -> Screening:
        """Check the eyes in one picture, or in several frames of one person.

        Parameters
        ----------
        pictures
            Each ``(H, W, 3) uint8 RGB``, upright.
        followed
            From :meth:`new_followed_face` when the pictures are the next frames of a stream.
        mirrored
            Whether the pictures show the person as a mirror does.
        heat_maps
            Heat maps from the forward pass when left out.

        Raises
        ------
        InputError
            When there is no picture, or one of another shape.
        MemoryShortError
            When free memory would fall below the floor.
        """
        if not pictures:
            raise InputError("At least one picture is needed, but none came; send a frame.")
        watch = Stopwatch()
        parts = self._parts()
        if followed is None:  # a stream's frames are small, and it asks many times a second
            self._guard.require(_need_mb(pictures), what="checking these pictures")
        sightings = [
            parts.eyes.look(picture, watch=watch, followed=followed, mirrored=mirrored)
            for picture in pictures
        ]
        if followed is None:
            with watch.step("second look"):
                sightings = [
                    _second_look(parts, picture, sighting)
                    for picture, sighting in zip(pictures, sightings, strict=True)
                ]
        return self.answer(sightings, watch=watch, heat_maps=heat_maps or HeatMaps())

    def answer(
        self,
        sightings: Sequence[Sighting],
        *,
        watch: Stopwatch,
        heat_maps: HeatMaps,
        rejected: Mapping[Side, int] | None = None,
    ) -> Screening:
        """Judge what was seen; ``rejected`` counts frames that were not handed over."""
        screening = self._answer(sightings, watch=watch, heat_maps=heat_maps, rejected=rejected)
        keeping.keep_crops(screening, self._settings.saved_eyes_dir)
        return screening

    def _answer(
        self,
        sightings: Sequence[Sighting],
        *,
        watch: Stopwatch,
        heat_maps: HeatMaps = HeatMaps(),  # noqa: B008 – frozen
        rejected: Mapping[Side, int] | None = None,
    ) -> Screening:
        parts = self._parts()
        by_side = _grouped(sightings)
        in_face = any(sighting.scene == "face" for sighting in sightings)
        with watch.step("judge"):
            cases = [
                _case(side, sights, rejected_before=(rejected or {}).get(side, 0))
                for side, sights in by_side.items()
            ]
            findings = parts.judge.judge(cases, in_face=in_face, heat_maps=heat_maps)
        last = sightings[-1] if sightings else None
        return Screening(
            scene=_scene(sightings),
            left=findings.get("left", findings.get("unknown")),
            right=findings.get("right"),
            face=last.face.box if last is not None and last.face is not None else None,
            reasons=tuple(dict.fromkeys(r for s in sightings for r in s.reasons)),
            timings_ms=dict(watch.taken_ms),
            model=parts.classifier.card.label,
            notice=f"{NOTICE} {parts.licence_note}".strip(),
        )

    def new_followed_face(self) -> FollowedFace:
        """Return what a stream of one visitor needs; pass it to :meth:`screen`."""
        return self._parts().eyes.new_followed_face()

    def new_stream(
        self, *, mirrored: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> EyeStream:
        """Open the stream of one visitor's webcam; it belongs to that visitor alone."""
        eyes = self._parts().eyes
        return EyeStream(eyes, self, best=BEST_FRAMES, mirrored=mirrored, clock=clock)

    def status(self) -> dict[str, Any]:
        """Return ``{"models", "memory"}`` for a health answer; opens nothing."""
        memory = self._guard.state()
        return {
            "models": {"eyes": self._model_status()},
            "memory": {
                "available_mb": round(memory.available_mb),
                "total_mb": round(memory.total_mb),
                "floor_mb": self._settings.memory_floor_mb,
            },
        }

    def _model_status(self) -> dict[str, Any]:
        parts = self._opened
        if parts is None and self._failure:
            return {"status": "failed", "message": self._failure}
        if parts is None:
            return {"status": "loading"}
        classifier, runtime = parts.classifier, parts.classifier.runtime
        return {
            "status": "ready",
            "name": classifier.card.label,
            "classes": list(classifier.classes),
            "experimental": list(classifier.experimental),
            "runtime": f"{runtime.name} {runtime.precision} on {runtime.device}",
        }

    def self_test(self) -> dict[str, str]:
        """Open everything, check a drawn eye, and return model, runtime and heat map in words."""
        self.warm()
        status = self._model_status()
        similarity = self._random_similarity()
        return {
            "model": str(status["name"]),
            "runtime": str(status["runtime"]),
            "heat_maps": "none"
            if similarity is None
            else f"{similarity:.2f} alike to those of random weights (0 is best)",
        }

    def _parts(self) -> _Parts:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> _Parts:
        self._guard.require(_OPEN_MB, what="opening the eye models")
        settings = self._settings
        landmarker = landmarks.open_landmarker(settings.landmarks)
        classifier = EyeClassifier.open(
            _model_folder(settings),
            device=settings.device,
            precision=settings.precision,
            threads=settings.threads or None,
            features_output=settings.grad_cam_layer,
        )
        _check_contract(classifier.card, settings)
        reader = AnatomyReader.open(threads=settings.threads or None)
        return _Parts(
            eyes=Eyes(
                reader,
                landmarker,
                padding_x=settings.crop_padding_x,
                padding_y=settings.crop_padding_y,
            ),
            classifier=classifier,
            judge=Judge(classifier, cache(self._random_similarity)),
            licence_note=landmarker.licence_note,
        )

    def _random_similarity(self) -> float | None:
        """Measure how alike the model's maps and those of shuffled weights are, on drawn eyes."""
        from engine.eyes.rendered import render_eye
        from engine.eyes.rendered.truth import CONDITIONS

        parts = self._parts()
        weights = parts.classifier.head_weights
        if weights is None:
            return None
        drawn = [
            render_eye(np.random.default_rng(seed), condition=condition, framing="canonical")
            for seed in range(4)
            for condition in CONDITIONS
        ]
        crops = np.stack([cv2.resize(eye.picture, (OUT_WIDTH, OUT_HEIGHT)) for eye in drawn])
        answers = parts.classifier.classify(crops.astype(np.uint8, copy=False))
        features = [answer.features for answer in answers if answer.features is not None]
        if len(features) != len(answers):
            return None
        likeliest = np.array([int(np.argmax(answer.logits)) for answer in answers])
        return checks.head_randomisation(np.stack(features), weights, likeliest)


def screen(
    pictures: Picture | Sequence[Picture], *, screener: EyeScreener | None = None
) -> Screening:
    """Check the eyes in one picture, or in several frames of one person.

    Uses one screener per process, opened on first use, unless another is given.
    """
    given = [pictures] if isinstance(pictures, np.ndarray) else pictures
    return (screener or _shared_screener()).screen(given)


@cache
def _shared_screener() -> EyeScreener:
    return EyeScreener()


def _model_folder(settings: Settings) -> Path:
    return settings.eye_model or shipped("models", "eyes")


def _check_contract(card: ModelCard, settings: Settings) -> None:
    """Stop a start with a model that is not the one that was asked for."""
    if settings.eye_model_name and settings.eye_model_name != card.name:
        raise ModelError(
            f"LIGHTBOX_EYE_MODEL_NAME asks for {settings.eye_model_name!r}, but the card names "
            f"{card.name!r}; correct the name or the folder."
        )
    if set(settings.eye_classes) != set(card.classes):
        raise ModelError(
            f"LIGHTBOX_EYE_CLASSES expects {', '.join(settings.eye_classes)}, but the eye model "
            f"{card.label} has {', '.join(card.classes)}; set the classes that the model has."
        )


def _grouped(sightings: Sequence[Sighting]) -> dict[Side, list[EyeSight]]:
    """Return sights by side; close-ups of unknown side count only when no side is known."""
    grouped: dict[Side, list[EyeSight]] = {}
    for sighting in sightings:
        for side, sight in sighting.eyes.items():
            grouped.setdefault(side, []).append(sight)
    if len(grouped) > 1:
        grouped.pop("unknown", None)
    return grouped


def _case(side: Side, sights: Sequence[EyeSight], *, rejected_before: int) -> Case:
    passing = [sight for sight in sights if sight.quality.passed]
    failed = [sight for sight in sights if not sight.quality.passed]
    return Case(
        side=side,
        passing=sorted(passing, key=lambda sight: -sight.quality.score)[:BEST_FRAMES],
        rejected=failed,
        rejected_count=len(failed) + rejected_before,
    )


def _second_look(parts: _Parts, picture: Picture, sighting: Sighting) -> Sighting:
    """Take a still without a finding for a close-up when the eye model is sure of an eye in it.

    An iris that fills the picture has no lids or corners by which the anatomy could know it.
    """
    if sighting.scene != "nothing" or min(picture.shape[:2]) < quality.MIN_SIZE_PX:
        return sighting
    near = parts.eyes.look_at_middle(picture)
    crop = near.eyes["unknown"].crop.pixels
    return near if parts.classifier.is_surely_an_eye(crop) else sighting


def _scene(sightings: Sequence[Sighting]) -> Any:  # noqa: ANN401 – a Scene
    scenes = [sighting.scene for sighting in sightings]
    return next((scene for scene in ("face", "close_up") if scene in scenes), "nothing")


def _need_mb(pictures: Sequence[Picture]) -> float:
    """Forecast: the pictures, grey and small copies of the largest, buffers of the networks."""
    return 60.0 + 3 * max(picture.nbytes for picture in pictures) / 1e6

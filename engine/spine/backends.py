"""Which segmenters there are, opened by name; a backend's module is loaded only when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from engine.errors import RequestError
from engine.spine.segmenters import BACKENDS, TASKS, Backend, SpineSegmenter, Task

if TYPE_CHECKING:
    from engine.settings import Settings

__all__ = ["checked_backend", "checked_task", "open_segmenter"]

_HOMES = {
    "embedded": ("engine.spine.embedded.segmenter", "EmbeddedSegmenter"),
    "nnunet": ("engine.spine.nnunet.segmenter", "NnunetSegmenter"),
    "totalsegmentator": ("engine.spine.totalsegmentator.segmenter", "TotalSegmentatorSegmenter"),
}


def open_segmenter(
    backend: Backend, settings: Settings, *, task: Task = "total_fast"
) -> SpineSegmenter:
    """Return the segmenter of a backend; ``task`` chooses weights where there is a choice.

    Raises
    ------
    RequestError
        When there is no such backend or task.
    """
    module, name = _HOMES[checked_backend(backend)]
    kind = getattr(import_module(module), name)
    if backend == "embedded":
        return cast("SpineSegmenter", kind(settings))
    return cast("SpineSegmenter", kind(settings, checked_task(task)))


def checked_backend(name: object) -> Backend:
    """Return ``name`` when there is such a backend.

    Raises
    ------
    RequestError
        When there is none; the sentence lists them.
    """
    for backend in BACKENDS:
        if name == backend:
            return backend
    raise RequestError(f"backend has to be one of {', '.join(BACKENDS)}, but got {_shown(name)}.")


def checked_task(name: object) -> Task:
    """Return ``name`` when there is such a task.

    Raises
    ------
    RequestError
        When there is none; the sentence lists them.
    """
    for task in TASKS:
        if name == task:
            return task
    raise RequestError(f"task has to be one of {', '.join(TASKS)}, but got {_shown(name)}.")


def _shown(value: object) -> str:
    """Return what came, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

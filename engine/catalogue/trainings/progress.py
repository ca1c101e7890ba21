"""A training as its page shows it, put together from what it told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from engine.catalogue.trainings.history import read_history
from engine.catalogue.trainings.places import kept_folder, wish_of, work_folder

if TYPE_CHECKING:
    from engine.settings import Settings
    from engine.store.records import Job

__all__ = ["Progress", "Samples", "progress_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Validation pictures with the answers after one epoch; ``paths`` are PNG files."""

    epoch: int
    names: tuple[str, ...]
    paths: tuple[Path, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Everything that is known of a training.

    ``epochs`` and ``steps`` are the documents of these events, the oldest first; ``planned`` that
    of the plan, ``finished`` that of the end, empty before. ``preparing`` is ``(done, total)``.
    ``stopped`` is why it ended early. ``wish`` is what somebody asked of it last; ``is_paused`` is
    whether it heeds it.
    """

    job: Job
    planned: Mapping[str, Any]
    preparing: tuple[int, int]
    evaluating: tuple[int, int]
    steps: Sequence[Mapping[str, Any]]
    epochs: Sequence[Mapping[str, Any]]
    samples: tuple[Samples, ...]
    finished: Mapping[str, Any]
    stopped: str
    wish: str
    is_paused: bool

    @property
    def latest(self) -> Mapping[str, Any]:
        """The newest step, empty before the first."""
        return self.steps[-1] if self.steps else {}

    @property
    def model_id(self) -> str:
        """The model that came of it, empty before the end."""
        return next((one.ref for one in self.job.results if one.kind == "model"), "")


def progress_of(settings: Settings, job: Job) -> Progress:
    """Read what a training has told so far."""
    work, kept = work_folder(settings, job.id), kept_folder(settings, job.id)
    told = read_history(kept, work)
    root = kept if (kept / "history.jsonl").is_file() else work
    kinds: dict[str, list[dict[str, Any]]] = {}
    for event in told:
        kinds.setdefault(str(event.get("kind")), []).append(event)
    pauses = [e["kind"] for e in told if e.get("kind") in ("paused", "resumed")]
    is_active = job.state in ("pending", "processing", "stuck")
    return Progress(
        job=job,
        planned=_last(kinds, "planned"),
        preparing=_pair(_last(kinds, "prepared")),
        evaluating=_pair(_last(kinds, "evaluating")),
        steps=tuple(kinds.get("step", ())),
        epochs=tuple(kinds.get("epoch", ())),
        samples=tuple(
            sample for event in kinds.get("samples", ()) if (sample := _samples(event, root))
        ),
        finished=_last(kinds, "finished"),
        stopped=str(_last(kinds, "stopped").get("reason", "")),
        wish=wish_of(settings, job.id) if is_active else "go",
        is_paused=is_active and bool(pauses) and pauses[-1] == "paused",
    )


def _last(kinds: Mapping[str, list[dict[str, Any]]], kind: str) -> Mapping[str, Any]:
    found = kinds.get(kind)
    return found[-1] if found else {}


def _pair(event: Mapping[str, Any]) -> tuple[int, int]:
    return int(event.get("done", 0)), int(event.get("total", 0))


def _samples(event: Mapping[str, Any], root: Path) -> Samples | None:
    paths = tuple(root / str(path) for path in event["paths"])
    if not all(path.is_file() for path in paths):
        return None
    return Samples(epoch=int(event["epoch"]), names=tuple(event.get("names", ())), paths=paths)

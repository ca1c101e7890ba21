"""The vertebra finder behind a click, a Gradio call and a plain request alike.

It checks what a request holds, hands the work to the engine's runner, which does it in processes of
its own, and hands back JSON. What waits here waits without a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from threading import Event
from typing import Any, Final, Protocol, TypeVar, final

import gradio
from anyio import CapacityLimiter, to_thread

import engine
from engine.errors import NotFoundError, RequestError
from engine.memory_guard import free_memory_mb
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.problems import ToldError, problem_from_code
from ui_gradio.spine.requests import Wish
from ui_gradio.spine.streaming import from_thread
from ui_gradio.spine.uploads import UploadLimits, Uploads

__all__ = [
    "Document",
    "ModelStore",
    "Run",
    "RunState",
    "Runner",
    "Saved",
    "Showcase",
    "SpineService",
]

Document = dict[str, Any]
T = TypeVar("T")

_LOOK_S: Final = 0.1
"""How often a waiting request looks whether its run has moved on."""
_HEARTBEAT_S: Final = 1.0
"""Longest silence of a run that is being watched."""
UNWATCHED_S: Final = 60.0
"""A run that nobody has asked about for so long is cancelled."""


class RunState(Protocol):
    """How far a run is; a new object for each change."""

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed`` or ``cancelled``."""
        ...

    @property
    def step(self) -> str:
        """The step as a short stable word."""
        ...

    @property
    def progress(self) -> float:
        """In 0..1 of the whole run."""
        ...

    @property
    def text(self) -> str:
        """The step in plain words."""
        ...

    @property
    def elapsed_s(self) -> float:
        """Seconds since the work began."""
        ...

    @property
    def remaining_s(self) -> float | None:
        """Seconds that are probably left; None when nobody can tell."""
        ...

    @property
    def code(self) -> str | None:
        """Code of the error of a failed run."""
        ...

    @property
    def message(self) -> str | None:
        """Sentence of the error of a failed run."""
        ...


class Saved(Protocol):
    """The result of a run."""

    def document(self) -> Document:
        """Return the answer as JSON values."""
        ...


class Run(Protocol):
    """One detection, from the line to its result."""

    @property
    def id(self) -> str:
        """Its unguessable name."""
        ...

    @property
    def latest(self) -> RunState:
        """How far it is; never waits."""
        ...

    @property
    def saved(self) -> Any:  # noqa: ANN401 – the engine's record, passed on to the showcase
        """The result, once the state is ``done``."""
        ...

    def cancel(self) -> None:
        """End it and remove its files; also those of one that has finished."""
        ...

    def shift(self, steps: int) -> object:
        """Move all names of the result by some levels."""
        ...


class Runner(Protocol):
    """Who runs detections, each in a process of its own."""

    def look(self, source: Path) -> Document:
        """Return ``input`` and ``forecasts`` of a CT, from its headers."""
        ...

    def start(self, source: Path | str, wish: Wish, *, owned: Path | None) -> Run:
        """Put a detection into the line; a text is the name of an example."""
        ...

    def find(self, name: str) -> Run | None:
        """Return a run by its name; None when there is none, or no longer."""
        ...

    def examples(self) -> list[Document]:
        """Return ``name``, ``title`` and ``text`` of each example."""
        ...

    def status(self) -> Document:
        """Return how many detections run and wait."""
        ...


class Showcase(Protocol):
    """Pictures and files made from a result."""

    def about(self, saved: Any) -> Document:  # noqa: ANN401 – the engine's record
        """Return ``views``, ``windows`` and ``palette``."""
        ...

    def downloads(self, saved: Any) -> list[Document]:  # noqa: ANN401 – as above
        """Return ``name``, ``title`` and ``why`` (not, else None) of each file."""
        ...

    def slice_png(self, saved: Any, plane: str, index: int, window: str) -> bytes:  # noqa: ANN401
        """Return one slice of the CT."""
        ...

    def label_slice_png(self, saved: Any, plane: str, index: int) -> bytes:  # noqa: ANN401
        """Return one slice of the label map."""
        ...

    def spine_png(self, saved: Any, azimuth_deg: float, width: int, height: int) -> bytes:  # noqa: ANN401
        """Return a picture of the vertebrae in space."""
        ...

    def file(self, saved: Any, name: str) -> tuple[bytes, str]:  # noqa: ANN401
        """Return the bytes and the media type of a download."""
        ...


class ModelStore(Protocol):
    """Weights that can be downloaded."""

    def status(self) -> Document:
        """Return what is there, by name."""
        ...

    def names(self) -> Sequence[str]:
        """Return every name that :meth:`download` knows."""
        ...

    def download(self, name: str, stop: Event) -> Iterable[Document]:
        """Download a model; yields reports until it is there, has failed, or ``stop`` is set."""
        ...


@final
class SpineService:
    """One application's vertebra finder: uploads in flight, runs that are watched, results.

    Parameters
    ----------
    runner, showcase, models
        The engine's parts.
    settings
        Limits and places.
    folder
        Where uploads are written; private, and emptied by whoever owns it.
    admission
        Counts the requests of all doors.
    mount
        Where the page is; files of results are below it.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        *,
        runner: Runner,
        showcase: Showcase,
        models: ModelStore,
        settings: Settings,
        folder: Path,
        admission: Admission | None = None,
        mount: str = "/spine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.mount = mount
        self.admission = admission or Admission(capacity=settings.queue_size, work_places=2)
        self.uploads = Uploads(folder / "uploads", upload_limits(settings))
        self.runner = runner
        self.showcase = showcase
        self.models = models
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._attendants: set[asyncio.Task[None]] = set()
        # Pictures and files must not take the threads that other routes need, nor each other's.
        self._picture_threads = CapacityLimiter(4)
        self._file_threads = CapacityLimiter(2)
        self._other_threads = CapacityLimiter(8)

    # --- before a run ------------------------------------------------------------------------

    async def look(self, upload: str) -> Document:
        """Say what an upload is, and what finding vertebrae in it would take.

        An upload that is no CT is forgotten at once.
        """
        try:
            found = await self._aside(lambda: self.runner.look(self.uploads.source(upload)))
        except Exception:
            await self._aside(lambda: self.uploads.forget(upload))
            raise
        return {"upload": upload, **found}

    async def start(self, source: Sequence[str] | Path | str, wish: Wish) -> Run:
        """Put a detection into the line.

        ``source`` is a list with names of uploads, a path on the server, or an example's name.
        The uploads belong to the run from then on; when the line is full they stay.
        """
        run = await self._aside(lambda: self._start(source, wish))
        self._asked_at[run.id] = self._clock()
        task = asyncio.create_task(self._attend(run))
        self._attendants.add(task)
        task.add_done_callback(self._attendants.discard)
        return run

    def _start(self, source: Sequence[str] | Path | str, wish: Wish) -> Run:
        if isinstance(source, Path | str):
            return self.runner.start(source, wish, owned=None)
        with self.uploads.taking(source) as (path, folder):
            return self.runner.start(path, wish, owned=folder)

    async def _attend(self, run: Run) -> None:
        """Cancel a run that nobody asks about: its page was closed."""
        while not _has_ended(run):
            await asyncio.sleep(min(1.0, UNWATCHED_S / 4))
            if self._clock() - self._asked_at[run.id] > UNWATCHED_S and not _has_ended(run):
                await self._aside(run.cancel)
        self._asked_at.pop(run.id, None)

    # --- during a run ------------------------------------------------------------------------

    def find(self, name: str) -> Run:
        """Return a run that somebody asks about.

        Raises
        ------
        NotFoundError
            When the name is unknown, or its result was forgotten.
        """
        run = self.runner.find(name)
        if run is None:
            raise NotFoundError(
                "There is no such run: results are kept for a while after their last use, and runs "
                f"that nobody watches for {UNWATCHED_S:.0f} seconds end; start it again."
            )
        if name in self._asked_at:
            self._asked_at[name] = self._clock()
        return run

    async def follow(self, run: Run) -> AsyncIterator[Document]:
        """Yield how far a run is, at each change and at least once a second, until it has ended."""
        seen, seen_at, said_at = None, 0.0, 0.0
        while True:
            state, now = run.latest, self._clock()
            if run.id in self._asked_at:
                self._asked_at[run.id] = now
            if state is not seen:
                seen, seen_at = state, now
            if seen_at == now or now - said_at >= _HEARTBEAT_S:
                said_at = now
                yield state_document(state, since_s=now - seen_at)
            if state.state in _ENDED:
                return
            await asyncio.sleep(_LOOK_S)

    async def detect(
        self, source: Sequence[str] | Path | str, wish: Wish
    ) -> AsyncIterator[Document]:
        """Find vertebrae: yield how far it is, and last the result with its files.

        The run is cancelled when whoever iterates leaves before its end.

        Raises
        ------
        LightboxError
            When it fails, as the sentence and the code that the run ended with.
        """
        run = await self.start(source, wish)
        try:
            async with aclosing(self.follow(run)) as states:  # type: ignore[type-var]
                async for state in states:
                    if state["state"] not in _ENDED:
                        yield {"status": state.pop("state"), "run": run.id, **state}
        finally:
            if not _has_ended(run):
                run.cancel()
        require_result(run)
        yield await self.result(run)

    # --- after a run -------------------------------------------------------------------------

    async def result(self, run: Run) -> Document:
        """Return the result of a run, with what the page draws and the files there are."""
        return await self._aside(lambda: self._result(run))

    def _result(self, run: Run) -> Document:
        saved = run.saved
        downloads = self.showcase.downloads(saved)
        for one in downloads:
            one["url"] = None if one["why"] else f"runs/{run.id}/files/{one['name']}"
        root = self.settings.root_path
        return {
            **saved.document(),
            "run": run.id,
            **self.showcase.about(saved),
            "downloads": downloads,
            "files": {
                one["name"]: f"{root}{self.mount}/{one['url']}" for one in downloads if one["url"]
            },
        }

    async def shift(self, run: Run, steps: int) -> Document:
        """Move all names of a result by ``steps`` levels and return it anew."""
        require_result(run)
        await self._aside(lambda: run.shift(steps))
        return await self.result(run)

    async def picture(self, draw: Callable[[], T]) -> T:
        """Draw a picture in a thread that is there for pictures."""
        return await to_thread.run_sync(draw, limiter=self._picture_threads)

    async def file(self, run: Run, name: str) -> tuple[bytes, str]:
        """Return the bytes and the media type of a download."""
        require_result(run)
        return await to_thread.run_sync(
            lambda: self.showcase.file(run.saved, name), limiter=self._file_threads
        )

    # --- models and health -------------------------------------------------------------------

    async def models_status(self) -> Document:
        """Return which weights are there."""
        return await self._aside(self.models.status)

    def require_model(self, name: str) -> None:
        """Raise NotFoundError when no model has this name."""
        names = self.models.names()
        if name not in names:
            raise NotFoundError(
                f"There is no model {name[:60]!r} to download; there are {', '.join(names)}."
            )

    async def download(self, name: str) -> AsyncIterator[Document]:
        """Download a model; yields reports, and stops when whoever iterates leaves."""
        self.require_model(name)
        async with aclosing(from_thread(lambda stop: self.models.download(name, stop))) as reports:  # type: ignore[type-var]
            async for report in reports:
                yield report

    async def health(self) -> Document:
        """Return whether vertebrae can be found, with versions, memory, models and the line."""
        return await self._aside(self._health)

    def _health(self) -> Document:
        memory = free_memory_mb()
        return {
            "status": "ok",
            "version": engine.__version__,
            "gradio": gradio.__version__,
            "models": self.models.status(),
            "memory": {
                "available_mb": round(memory.available_mb),
                "total_mb": round(memory.total_mb),
                "floor_mb": self.settings.memory_floor_mb,
            },
            "runs": self.runner.status(),
            "uploads": {"waiting": len(self.uploads), "mb": round(self.uploads.size / 1e6, 1)},
            "requests": {"inside": self.admission.inside, "capacity": self.admission.capacity},
        }

    def close(self) -> None:
        """Remove what was uploaded."""
        self.uploads.close()

    async def _aside(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._other_threads)


_ENDED: Final = ("done", "failed", "cancelled")


def _has_ended(run: Run) -> bool:
    return run.latest.state in _ENDED


def require_result(run: Run) -> None:
    """Raise what a run failed with, or a RequestError while it has no result."""
    state = run.latest
    if state.state == "failed":
        raise ToldError(problem_from_code(state.code or "server_error", state.message or ""))
    if state.state == "cancelled":
        raise NotFoundError("The run was cancelled, and nothing of it was kept; start it again.")
    if state.state != "done":
        raise RequestError("The run has no result yet; follow its events until it is done.")


def state_document(state: RunState, *, since_s: float = 0.0) -> Document:
    """Return how far a run is as JSON values; ``since_s`` is how long ago it said so."""
    is_running = state.state == "running"
    passed = since_s if is_running else 0.0
    found: Document = {
        "state": state.state,
        "step": state.step,
        "progress": round(state.progress, 4),
        "text": state.text,
        "elapsed_s": round(state.elapsed_s + passed, 1),
        "remaining_s": (
            None if state.remaining_s is None else round(max(0.0, state.remaining_s - passed), 1)
        ),
    }
    if state.state == "failed":
        problem = problem_from_code(state.code or "server_error", state.message or "")
        found |= problem.document
    return found


def upload_limits(settings: Settings) -> UploadLimits:
    """Return how much may be uploaded: three of the largest CTs at the same time."""
    max_bytes = settings.max_volume_mb * 1_000_000
    return UploadLimits(max_bytes=max_bytes, max_total_bytes=3 * max_bytes)

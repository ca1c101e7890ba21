"""The vertebra finder behind a click, a Gradio call and a plain request alike.

It checks what a request holds, hands the work to the engine's runner, which does it in processes of
its own, and hands back JSON. What waits here waits without a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, final

import gradio
from anyio import CapacityLimiter, to_thread

import engine
from api.problems import ToldError, problem_from_code
from engine.errors import NotFoundError, RequestError
from engine.memory_guard import free_memory_mb
from engine.settings import Settings
from engine.spine import pictures
from engine.spine.examples import Example, find_example
from engine.spine.runner import KEPT_S, MOST_LOOKS, Request
from ui_gradio.admission import Admission
from ui_gradio.spine.requests import Wish
from ui_gradio.spine.streaming import from_thread
from ui_gradio.spine.uploads import UploadLimits, Uploads

if TYPE_CHECKING:
    from engine.spine.runner import Run, SpineRunner
    from engine.spine.saved import SavedDetection

__all__ = ["Document", "ModelStore", "Source", "SpineService", "require_result"]

Document = dict[str, Any]
Source = Sequence[str] | Path | Example
"""Names of uploads, a path on the server, or an example."""
T = TypeVar("T")

_LOOK_S: Final = 0.1
"""How often a waiting request looks whether its run has moved on."""
_HEARTBEAT_S: Final = 1.0
"""Longest silence of a run that is being watched."""
UNWATCHED_S: Final = 60.0
"""A run that nobody has asked about for so long is cancelled."""


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
    runner
        Runs detections, each in a process of its own.
    models
        The weights on this machine.
    settings
        Limits and places.
    folder
        Makes the private folder of the uploads, when the first one comes.
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
        runner: SpineRunner,
        models: ModelStore,
        settings: Settings,
        folder: Callable[[], Path],
        admission: Admission | None = None,
        mount: str = "/spine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.mount = mount
        self.admission = admission or Admission(capacity=settings.queue_size, work_places=2)
        self.uploads = Uploads(folder, upload_limits(settings))
        self.runner = runner
        self.models = models
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._attendants: set[asyncio.Task[None]] = set()
        # Pictures and files must not take the threads that other routes need, nor each other's.
        self._picture_threads = CapacityLimiter(4)
        self._file_threads = CapacityLimiter(2)
        self._look_threads = CapacityLimiter(MOST_LOOKS)
        self._other_threads = CapacityLimiter(8)

    # --- before a run ------------------------------------------------------------------------

    async def look(self, upload: str) -> Document:
        """Say what an upload is, and what finding vertebrae in it would take.

        An upload that is no CT is forgotten at once.
        """
        try:
            found = await self._looked(lambda: self.uploads.source(upload))
        except BaseException:
            self.uploads.forget(upload)
            raise
        return {"upload": upload, **found}

    async def look_at_example(self, name: str) -> Document:
        """Say what an example is, and what finding vertebrae in it would take."""
        example = _example(name)
        return {"example": name, **await self._looked(lambda: example)}

    async def example_file(self, name: str) -> Path:
        """Return an example's CT as a file; it is drawn when somebody first asks."""
        example = _example(name)
        return await to_thread.run_sync(
            lambda: self.runner.example_file(example), limiter=self._look_threads
        )

    async def _looked(self, source: Callable[[], Path | Example]) -> Document:
        look = await to_thread.run_sync(
            lambda: self.runner.look(source()), limiter=self._look_threads
        )
        return {"input": look.facts, "forecasts": look.forecasts}

    async def start(self, source: Source, wish: Wish) -> Run:
        """Put a detection into the line.

        Uploads belong to the run from then on; when the line is full they stay.
        """
        loop = asyncio.get_running_loop()

        def begin() -> Run:
            run = self._begin(source, wish)
            # From here, so that a run is watched even if whoever asked for it has left by now.
            self._asked_at[run.id] = self._clock()
            loop.call_soon_threadsafe(self._watch, run)
            return run

        return await self._aside(begin)

    def _begin(self, source: Source, wish: Wish) -> Run:
        if isinstance(source, Path | Example):
            return self.runner.start(_request(source, wish))
        with self.uploads.taking(source) as path:
            return self.runner.start(_request(path, wish, delete_source=True))

    def _watch(self, run: Run) -> None:
        task = asyncio.get_running_loop().create_task(self._attend(run))
        self._attendants.add(task)
        task.add_done_callback(self._attendants.discard)

    async def _attend(self, run: Run) -> None:
        """Cancel a run that nobody asks about: its page was closed."""
        while not run.state.has_ended:
            await asyncio.sleep(min(1.0, UNWATCHED_S / 4))
            if self._clock() - self._asked_at[run.id] > UNWATCHED_S:
                await self._aside(run.cancel)
        self._asked_at.pop(run.id, None)
        await self._aside(self.uploads.tidy)  # the run has read its upload; the folder is empty

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
                f"There is no such run: a result is kept for {KEPT_S / 60:.0f} minutes after its "
                f"last use, and a run that nobody watches ends after {UNWATCHED_S:.0f} seconds; "
                "start it again."
            )
        if name in self._asked_at:
            self._asked_at[name] = self._clock()
        return run

    async def follow(self, run: Run) -> AsyncIterator[Document]:
        """Yield how far a run is, at each change and at least once a second, until it has ended."""
        said, said_at = None, 0.0
        while True:
            state, now = run.state, self._clock()
            if run.id in self._asked_at:
                self._asked_at[run.id] = now
            what = (state.state, state.step, state.progress, state.text)
            if what != said or now - said_at >= _HEARTBEAT_S:
                said, said_at = what, now
                yield state.document()
            if state.has_ended:
                return
            await asyncio.sleep(_LOOK_S)

    async def detect(self, source: Source, wish: Wish) -> AsyncIterator[Document]:
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
                    if state["state"] in ("queued", "running"):
                        yield {"status": state.pop("state"), "run": run.id, **state}
        finally:
            if not run.state.has_ended:
                # Nothing may be awaited here: the request may be over.
                asyncio.get_running_loop().run_in_executor(None, run.cancel)
        require_result(run)
        yield await self.result(run)

    # --- after a run -------------------------------------------------------------------------

    async def result(self, run: Run) -> Document:
        """Return the result of a run, with what the page draws and the files there are."""
        return await self._aside(lambda: self._result(run))

    def _result(self, run: Run) -> Document:
        saved = run.saved
        downloads = [
            one | {"url": None if one["why"] else f"runs/{run.id}/files/{one['name']}"}
            for one in _downloads(saved)
        ]
        root = f"{self.settings.root_path}{self.mount}"
        return {
            **saved.document(),
            "run": run.id,
            "views": pictures.view_geometry(saved),
            "windows": pictures.windows_json(),
            "palette": pictures.palette_json(),
            "downloads": downloads,
            "files": {one["name"]: f"{root}/{one['url']}" for one in downloads if one["url"]},
        }

    async def shift(self, run: Run, steps: int) -> Document:
        """Move all names of a result by ``steps`` levels and return it anew."""
        require_result(run)
        await self._aside(lambda: run.shift(steps))
        return await self.result(run)

    async def picture(self, draw: Callable[[], bytes]) -> bytes:
        """Draw a picture in a thread that is there for pictures."""
        return await to_thread.run_sync(draw, limiter=self._picture_threads)

    async def file(self, run: Run, name: str) -> tuple[str, str, bytes]:
        """Return file name, media type and bytes of a download."""
        require_result(run)
        return await to_thread.run_sync(lambda: _file(run, name), limiter=self._file_threads)

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
            "runs": {"running": int(self.runner.busy), "waiting": self.runner.waiting},
            "uploads": {"waiting": len(self.uploads), "mb": round(self.uploads.size / 1e6, 1)},
            "requests": {"inside": self.admission.inside, "capacity": self.admission.capacity},
        }

    @contextmanager
    def open(self) -> Iterator[None]:
        """End all runs, and remove results and uploads, when the block ends."""
        try:
            yield
        finally:
            self.runner.close()
            self.uploads.close()

    async def _aside(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._other_threads)


def require_result(run: Run) -> None:
    """Raise what a run failed with, or say that it has no result."""
    state = run.state
    if state.error is not None:
        raise ToldError(problem_from_code(*state.error))
    if state.state == "cancelled":
        raise NotFoundError("The run was cancelled, and nothing of it was kept; start it again.")
    if state.state != "done":
        raise RequestError("The run has no result yet; follow its events until it is done.")


def _request(source: Path | Example, wish: Wish, *, delete_source: bool = False) -> Request:
    return Request(
        source=source,
        backend=wish.backend,
        task=wish.task,
        transitional=wish.transitional,
        delete_source=delete_source,
    )


def _example(name: str) -> Example:
    try:
        return find_example(name)
    except RequestError as error:
        raise NotFoundError(str(error)) from error


def _downloads(saved: SavedDetection) -> list[Document]:
    from engine.spine.exports import EXPORTS

    return [
        {"name": name, "title": export.title, "why": export.why_not(saved)}
        for name, export in EXPORTS.items()
    ]


def _file(run: Run, name: str) -> tuple[str, str, bytes]:
    from engine.spine.exports import EXPORTS

    if name not in EXPORTS:
        raise NotFoundError(f"There is no such file; there are {', '.join(EXPORTS)}.")
    return run.export(name)


def upload_limits(settings: Settings) -> UploadLimits:
    """Return how much may be uploaded: three of the largest CTs at the same time."""
    max_bytes = settings.max_volume_mb * 1_000_000
    return UploadLimits(max_bytes=max_bytes, max_total_bytes=3 * max_bytes)

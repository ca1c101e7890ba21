"""Downloading a model while somebody watches, or following a download that runs already.

The work runs in a thread of its own, so that whoever watches hears something each second, even
while the server is silent, and can leave at any time. One download at a time on a machine: a second
caller follows the first one, or waits for it when it is another model.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, final

from engine.errors import LightboxError, ModelError
from engine.settings import Settings
from engine.spine.weights.catalogue import WeightsModel, model_named
from engine.spine.weights.fetching import Installation
from engine.spine.weights.folders import downloads_folder, faults_of, model_folder, size_of
from engine.spine.weights.locking import DownloadLock, is_downloading, read_note, write_note
from engine.spine.weights.progress import DownloadProgress, DownloadStatus
from engine.spine.weights.transfer import Stopped, Tuning

__all__ = ["download"]

_LOG = logging.getLogger(__name__)
_HEARTBEAT_S = 1.0
_LOOK_S = 0.2
_LEAVE_S = 3.0


def download(
    settings: Settings, name: str, *, stop: Event | None = None, tuning: Tuning | None = None
) -> Iterator[DownloadProgress]:
    """Download and install a model, yielding reports; the last one :attr:`is_last`.

    Nothing that can go wrong is raised: a report with the status ``failed`` says what was expected,
    what came and what to do. A report comes at least once a second. Setting ``stop``, or closing
    the iterator, cancels; what came is kept and the next download continues there. ``name`` is one
    of the catalogue, or an older one; ``tuning`` is the patience with the server.
    """
    asked = stop or Event()
    try:
        model = model_named(name)
    except LightboxError as problem:
        yield _failed(problem)
        return
    job = _Job(settings, model, tuning=tuning or Tuning())
    job.start()
    try:
        yield from job.watched(asked)
    finally:
        job.cancel()


@final
class _Job:
    """One download in a thread; what it says goes through a queue."""

    def __init__(self, settings: Settings, model: WeightsModel, *, tuning: Tuning) -> None:
        self._settings = settings
        self._model = model
        self._tuning = tuning
        self._stop = Event()
        self._installation: Installation | None = None
        self._queue: SimpleQueue[DownloadProgress | BaseException] = SimpleQueue()
        self._thread = Thread(target=self._work, name=f"download {model.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Stop soon; wait a moment, so that the lock is free when the caller goes on."""
        self._stop.set()
        if self._installation is not None:
            self._installation.abort()
        self._thread.join(_LEAVE_S)

    def watched(self, asked: Event) -> Iterator[DownloadProgress]:
        """Yield what the thread says; the last report again where it is silent for a second."""
        last, said_at = _report("checking", "Looking what is there."), time.monotonic()
        yield last
        while True:
            if asked.is_set() and not self._stop.is_set():
                self.cancel()
            try:
                found = self._queue.get(timeout=_LOOK_S)
            except Empty:
                if time.monotonic() - said_at < _HEARTBEAT_S:
                    continue
                found = last
            if isinstance(found, BaseException):
                raise found  # a bug, not a failure
            last, said_at = found, time.monotonic()
            yield found
            if found.is_last:
                return

    def _work(self) -> None:
        try:
            for report in self._reports():
                self._queue.put(report)
        except Stopped:
            text = "Stopped; what came is kept, and the next download continues there."
            self._queue.put(_report("cancelled", text))
        except LightboxError as problem:
            self._queue.put(_failed(problem))
        except BaseException as problem:  # noqa: BLE001 – raised again where it is watched
            self._queue.put(problem)

    def _reports(self) -> Iterator[DownloadProgress]:
        folder = downloads_folder(self._settings)
        while True:
            done = self._done()
            if done is not None:
                yield done
                return
            with _lock_of(folder) as lock:
                if lock:
                    yield from self._install(folder)
                    return
            failed = yield from self._follow(folder)
            if failed is not None:
                yield failed
                return
            self._pause()

    def _done(self) -> DownloadProgress | None:
        """Return the last report when the model is there already."""
        folder = model_folder(self._settings, self._model)
        if not folder.is_dir() or faults_of(folder, self._model):
            return None
        size_mb = size_of(folder) / 1e6
        return DownloadProgress(
            status="complete",
            progress=1.0,
            downloaded_mb=size_mb,
            total_mb=size_mb,
            text=f"{self._model.title}: installed.",
        )

    def _install(self, folder: Path) -> Iterator[DownloadProgress]:
        """Do it ourselves; the note tells others how far it is."""
        token, noted_at = secrets.token_hex(8), 0.0
        self._installation = Installation(
            self._settings, self._model, tuning=self._tuning, stop=self._stop
        )
        try:
            for report in self._installation.run():
                if time.monotonic() - noted_at > _LOOK_S:
                    noted_at = time.monotonic()
                    write_note(folder, _note(token, self._model, report))
                yield report
        except LightboxError as problem:
            with suppress(OSError):  # a full disk takes no note either
                write_note(folder, _note(token, self._model, _failed(problem)))
            raise
        done = self._done()
        assert done is not None  # Installation looked
        _LOG.info("installed the model %s", self._model.name)
        yield done

    def _follow(self, folder: Path) -> Generator[DownloadProgress, None, DownloadProgress | None]:
        """Yield what another caller's download says; return its failure, if it failed at ours."""
        seen: set[str] = set()
        while is_downloading(folder):
            note = read_note(folder)
            seen.add(str(note.get("token")))
            if note.get("name") == self._model.name:
                yield _noted(note)
            else:
                yield _report("checking", f"Waiting until {note.get('name')} is downloaded.")
            self._pause()
        note = read_note(folder)
        has_failed = note.get("status") == "failed" and str(note.get("token")) in seen
        return _noted(note) if has_failed and note.get("name") == self._model.name else None

    def _pause(self) -> None:
        if self._stop.wait(_LOOK_S):
            raise Stopped


def _lock_of(folder: Path) -> DownloadLock:
    try:
        return DownloadLock(folder)
    except OSError as problem:
        raise ModelError(
            f"Expected to write below {folder.parent}, but that failed "
            f"({problem.strerror}); make it writable, or set LIGHTBOX_TOTALSEG_WEIGHTS to a folder "
            "that is."
        ) from problem


def _note(token: str, model: WeightsModel, report: DownloadProgress) -> dict[str, Any]:
    return {"token": token, "name": model.name, **asdict(report)}


def _noted(note: dict[str, Any]) -> DownloadProgress:
    """Return the report in somebody else's note; of a damaged note, that it is being looked at."""
    names = [item.name for item in fields(DownloadProgress)]
    try:
        return DownloadProgress(**{name: note[name] for name in names})
    except (KeyError, TypeError):
        return _report("checking", "Another download of this model runs.")


def _failed(problem: LightboxError) -> DownloadProgress:
    return replace(_report("failed", str(problem)), code=problem.code)


def _report(status: DownloadStatus, text: str) -> DownloadProgress:
    return DownloadProgress(status=status, progress=0.0, downloaded_mb=0.0, total_mb=0.0, text=text)

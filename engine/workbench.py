"""Opens what a server works with, once, and hands it out: store, files, people, queue, backups.

Each part is opened when it is first asked for. One :class:`Workbench` serves a whole process; the
HTTP door and the studio's pages share it through :func:`shared_workbench`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

from engine.settings import Settings

if TYPE_CHECKING:
    from engine.backups import Backups
    from engine.catalogue.annotation import Annotations
    from engine.catalogue.cells import Cells
    from engine.catalogue.datasets import Datasets
    from engine.catalogue.images import Images
    from engine.catalogue.models import Models
    from engine.catalogue.patients import Patients
    from engine.catalogue.predicting import Predicting
    from engine.catalogue.reviewing import Reviewing
    from engine.catalogue.trainings import Trainings
    from engine.jobs.queue import Queue
    from engine.monitoring import Monitor
    from engine.people.accounts import Accounts
    from engine.people.audit import AuditLog
    from engine.people.sessions import Sessions
    from engine.people.tokens import Tokens
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["Workbench", "shared_workbench"]

Part = TypeVar("Part")


@final
class Workbench:
    """Everything that remembers or runs, for one set of settings; safe from any thread.

    Opening a part may raise the errors of that part, such as ``DamagedStoreError``; the others
    stay usable, and the next question tries again.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._opening = threading.RLock()
        self._parts: dict[str, Any] = {}

    @property
    def records_folder(self) -> Path:
        """Where the collections lie."""
        return self.settings.home / "records"

    @property
    def store(self) -> Store:
        """The collections of records."""
        return self._part("store", self._open_store)

    @property
    def files(self) -> Files:
        """Pictures, volumes and other files by content hash."""
        return self._part("files", self._open_files)

    @property
    def audit(self) -> AuditLog:
        """Who did what to which record."""
        return self._part("audit", self._open_audit)

    @property
    def accounts(self) -> Accounts:
        """People, their passwords and roles."""
        return self._part("accounts", self._open_accounts)

    @property
    def sessions(self) -> Sessions:
        """Who is signed in by a cookie."""
        return self._part("sessions", self._open_sessions)

    @property
    def tokens(self) -> Tokens:
        """Who calls the API by a token."""
        return self._part("tokens", self._open_tokens)

    @property
    def queue(self) -> Queue:
        """The jobs."""
        return self._part("queue", self._open_queue)

    @property
    def datasets(self) -> Datasets:
        """Datasets, their pictures and versions."""
        return self._part("datasets", self._open_datasets)

    @property
    def images(self) -> Images:
        """Pictures and masks, as programs send and fetch them."""
        return self._part("images", self._open_images)

    @property
    def reviewing(self) -> Reviewing:
        """Queues of pictures to mark, and what reviewers decide."""
        return self._part("reviewing", self._open_reviewing)

    @property
    def backups(self) -> Backups:
        """Backups, and the way back from them."""
        return self._part("backups", self._open_backups)

    @property
    def patients(self) -> Patients:
        """Patients, their samples and what was found in them."""
        return self._part("patients", self._open_patients)

    @property
    def cells(self) -> Cells:
        """Cells in pictures: kinds, marks, presets of detectors."""
        return self._part("cells", self._open_cells)

    @property
    def predicting(self) -> Predicting:
        """What models say about pictures."""
        return self._part("predicting", self._open_predicting)

    @property
    def models(self) -> Models:
        """Trained models, and which one is used."""
        return self._part("models", self._open_models)

    @property
    def trainings(self) -> Trainings:
        """Trainings: started, watched, planned for later."""
        return self._part("trainings", self._open_trainings)

    @property
    def monitor(self) -> Monitor:
        """Figures and the health of each part; :meth:`Monitor.start` begins to sample."""
        return self._part("monitor", self._open_monitor)

    @property
    def annotation(self) -> Annotations:
        """Masks of pictures as people draw them."""
        return self._part("annotation", self._open_annotation)

    def close(self) -> None:
        """Stop what runs in the background; every part opens again when asked for."""
        monitor = cast("Monitor | None", self._parts.get("monitor"))
        if monitor is not None:
            monitor.stop()  # outside of the lock, for which its threads may wait
        with self._opening:
            self._parts.clear()

    def _part(self, name: str, open_part: Callable[[], Part]) -> Part:
        if name not in self._parts:
            with self._opening:
                if name not in self._parts:
                    self._parts[name] = open_part()
        return cast("Part", self._parts[name])

    def _open_store(self) -> Store:
        from engine.backups import keep_before_migration
        from engine.store import Store

        return Store(
            self.records_folder, before_migration=partial(keep_before_migration, self.settings)
        )

    def _open_files(self) -> Files:
        from engine.store.files import open_files

        return open_files(self.settings)

    def _open_audit(self) -> AuditLog:
        from engine.people.audit import open_audit

        return open_audit(self.settings)

    def _open_accounts(self) -> Accounts:
        from engine.people.accounts import Accounts

        return Accounts(self.store, self.settings, self.audit)

    def _open_sessions(self) -> Sessions:
        from engine.people.sessions import Sessions

        return Sessions(self.store, self.settings)

    def _open_tokens(self) -> Tokens:
        from engine.people.tokens import Tokens

        return Tokens(self.store, self.settings)

    def _open_queue(self) -> Queue:
        from engine.jobs.queue import Queue

        return Queue(self.store, self.settings, audit=self.audit)

    def _open_datasets(self) -> Datasets:
        from engine.catalogue.datasets import Datasets

        return Datasets(self.store, self.files, self.audit, self.queue)

    def _open_images(self) -> Images:
        from engine.catalogue.images import Images

        return Images(self.store, self.files, self.audit)

    def _open_reviewing(self) -> Reviewing:
        from engine.catalogue.reviewing import Reviewing

        return Reviewing(self.store, self.files, self.audit)

    def _open_backups(self) -> Backups:
        from engine.backups import Backups

        return Backups(self.settings, self.store, self.files, self.audit)

    def _open_patients(self) -> Patients:
        from engine.catalogue.patients import Patients

        return Patients(self.store, self.files, self.settings, audit=self.audit, queue=self.queue)

    def _open_cells(self) -> Cells:
        from engine.catalogue.cells import Cells

        return Cells(self.settings, self.store, self.files, self.audit)

    def _open_annotation(self) -> Annotations:
        from engine.catalogue.annotation import Annotations

        folder = self.settings.home / "drawings"
        return Annotations(self.store, self.files, self.audit, folder)

    def _open_predicting(self) -> Predicting:
        from engine.catalogue.predicting import Predicting

        return Predicting(
            self.settings, self.store, self.files, self.audit, self.queue, self.models
        )

    def _open_models(self) -> Models:
        from engine.catalogue.models import Models

        return Models(self.store, self.files, self.audit, self.settings)

    def _open_trainings(self) -> Trainings:
        from engine.catalogue.trainings import Trainings

        return Trainings(self.settings, self.store, self.files, self.audit, self.queue)

    def _open_monitor(self) -> Monitor:
        from engine.monitoring import Monitor

        return Monitor(
            self.settings,
            store=lambda: self.store,
            files=lambda: self.files,
            queue=lambda: self.queue,
            backups=lambda: self.backups,
            audit=lambda: self.audit,
        )


_shared: dict[Path, Workbench] = {}
_sharing = threading.Lock()


def shared_workbench(settings: Settings) -> Workbench:
    """Return this process's workbench for ``settings.home``, the same one to all who ask.

    The settings of whoever asks first count: a server that opens it at its start hands its own,
    with what its command line changed, to the pages that it runs.
    """
    if settings.home not in _shared:
        with _sharing:
            if settings.home not in _shared:
                _shared[settings.home] = Workbench(settings)
    return _shared[settings.home]

"""All collections of one folder of records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar, final

from engine.errors import DamagedStoreError, NotFoundError, StoreError
from engine.store import records
from engine.store.collections import Collection
from engine.store.drives import network_drive
from engine.store.records import Record
from engine.store.recovery import Damage, Recovery, damage_of, recover
from engine.store.schemas import ORIGINAL, SCHEMAS, Schema
from engine.store.several import Several, several
from engine.store.snapshots import Snapshot

__all__ = ["KINDS", "Store"]

_logger = logging.getLogger(__name__)
R = TypeVar("R", bound=Record)
_LOOKS: Final = 20

# Every collection and what it holds, in the order in which people think of them.
KINDS: Final[Mapping[str, type[Record]]] = {
    "datasets": records.Dataset,
    "images": records.Image,
    "masks": records.Mask,
    "cell_types": records.CellType,
    "cell_annotations": records.CellAnnotation,
    "detector_presets": records.DetectorPreset,
    "patients": records.Patient,
    "patient_annotations": records.PatientAnnotation,
    "samples": records.Sample,
    "models": records.ModelRecord,
    "predictions": records.Prediction,
    "training_schedules": records.TrainingSchedule,
    "jobs": records.Job,
    "users": records.User,
    "sessions": records.Session,
    "activities": records.Activity,
    "backups": records.BackupRecord,
}


@final
class Store:
    """The records below one folder, a collection each as an attribute.

    Parameters
    ----------
    folder
        ``LIGHTBOX_HOME/records``; made when absent, for its owner only. It must lie on a local
        disk: file locks are not reliable on network drives.
    before_migration
        Called once, with the reason, before older records are rewritten in their present form
        (a backup belongs here). When it raises, nothing is rewritten. The older files themselves
        are kept in any case, as ``NAME.form1.json``.
    schemas
        The versions of the stored forms, other than the original one.
    for_restore
        Open also what a newer Lightbox has written: it cannot be read, but be replaced. Nothing is
        migrated.

    Raises
    ------
    NewerStoreError
        When a newer Lightbox has written one of the collections.
    StoreError
        When the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        before_migration: Callable[[str], object] | None = None,
        schemas: Mapping[str, Schema] = SCHEMAS,
        for_restore: bool = False,
    ) -> None:
        self.folder = _made(folder)
        self._schemas = schemas
        self._collections: dict[str, Collection[Any]] = {}
        self.datasets = self._open("datasets", records.Dataset)
        self.images = self._open("images", records.Image)
        self.masks = self._open("masks", records.Mask)
        self.cell_types = self._open("cell_types", records.CellType)
        self.cell_annotations = self._open("cell_annotations", records.CellAnnotation)
        self.detector_presets = self._open("detector_presets", records.DetectorPreset)
        self.patients = self._open("patients", records.Patient)
        self.patient_annotations = self._open("patient_annotations", records.PatientAnnotation)
        self.samples = self._open("samples", records.Sample)
        self.models = self._open("models", records.ModelRecord)
        self.predictions = self._open("predictions", records.Prediction)
        self.training_schedules = self._open("training_schedules", records.TrainingSchedule)
        self.jobs = self._open("jobs", records.Job)
        self.users = self._open("users", records.User)
        self.sessions = self._open("sessions", records.Session)
        self.activities = self._open("activities", records.Activity)
        self.backups = self._open("backups", records.BackupRecord)
        kind = network_drive(self.folder)
        if kind is not None:
            _logger.warning(
                "%s lies on a network drive (%s), where file locks are not reliable: two programs "
                "could write at once. Put LIGHTBOX_HOME on a local disk.",
                self.folder,
                kind,
            )
        if not for_restore:
            self._migrate(before_migration)

    def __getitem__(self, name: str) -> Collection[Any]:
        """Return the collection called ``name``; :class:`NotFoundError` when there is none."""
        try:
            return self._collections[name]
        except KeyError:
            raise NotFoundError(
                f"There is no collection {name[:64]!r}; there are {', '.join(self.names)}."
            ) from None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all collections."""
        return tuple(self._collections)

    def transaction(self, *names: str) -> AbstractContextManager[Several]:
        """Change several collections together: all of it happens, or nothing, even when killed.

        ::

            with store.transaction("patients", "samples") as t:
                t["patients"].put(patient)
                t["samples"].put(sample)
        """
        return several({name: self[name] for name in dict.fromkeys(names)})

    def read(self, *names: str) -> dict[str, Snapshot[Any]]:
        """Return versions of several collections (all without names) that were present together.

        No transaction of several of them is seen in one and not in another. Waits for writers only
        where they do not pause for long enough to look at all collections twice.
        """
        wanted = [self[name] for name in names or self.names]
        before = [collection.read() for collection in wanted]
        for _ in range(_LOOKS):
            after = [collection.read() for collection in wanted]
            # Two looks that found the same: between them, all of it was there at once.
            if all(one is other for one, other in zip(before, after, strict=True)):
                return {snapshot.name: snapshot for snapshot in after}
            before = after
        with several({collection.name: collection for collection in wanted}):
            return {collection.name: collection.read_locked() for collection in wanted}

    def restore(self, contents: Mapping[str, bytes | None]) -> None:
        """Put saved collections in place of the present ones: all of ``contents``, or nothing.

        ``contents`` are files by collection as :meth:`Snapshot.content` gives them, also of an
        older version; ``None`` empties a collection. Others stay as they are. A present collection
        that is damaged is replaced too, its file kept aside.

        Raises
        ------
        DamagedStoreError, NewerStoreError
            When one of the files cannot be used; nothing was changed.
        """
        wanted = {
            name: {} if content is None else self[name].taken(content)
            for name, content in contents.items()
        }
        if not wanted:
            return
        with several({name: self[name] for name in wanted}, over_damage=True) as changes:
            for name, lines in wanted.items():
                changes[name].replace(lines)

    def damage(self) -> tuple[Damage, ...]:
        """Read every record of every collection; return those that cannot be read."""
        found = (damage_of(collection) for collection in self._collections.values())
        return tuple(damage for damage in found if damage is not None)

    def recover(self, name: str) -> Recovery:
        """Put the last good version of a damaged collection back, the damaged file kept aside.

        Raises
        ------
        NotFoundError
            When it is not damaged, or there is no such collection.
        DamagedStoreError
            When no earlier version is whole.
        """
        return recover(self[name])

    def _open(self, name: str, kind: type[R]) -> Collection[R]:
        schema = self._schemas.get(name, ORIGINAL)
        collection = Collection(self.folder, name, kind, schema=schema)
        self._collections[name] = collection
        return collection

    def _migrate(self, before: Callable[[str], object] | None) -> None:
        older = {}
        for collection in self._collections.values():
            if collection.is_older():
                with suppress(DamagedStoreError):  # told to whoever reads it; others go on
                    found = collection.read()
                    if found.stored_schema < found.schema:
                        older[found.name] = found.stored_schema
        if not older:
            return
        reason = "before migration of " + ", ".join(
            f"{name} from version {version} to {self[name].schema.version}"
            for name, version in older.items()
        )
        if before is not None:
            before(reason)
        with self.transaction(*older) as changes:
            for name, version in older.items():
                if changes[name].is_older:  # another program may have been faster
                    self[name].paths.keep_form(version)
                    changes[name].touch()
        _logger.info("migrated: %s", reason.removeprefix("before migration of "))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"Expected a folder for records at {folder}, but it cannot be made "
            f"({error.strerror}); set LIGHTBOX_HOME to a folder that can be written."
        ) from error
    return folder.resolve()

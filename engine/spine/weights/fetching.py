"""The steps of one download, in order, under the lock: fetch, compare, unpack, put in place."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import mkdtemp
from threading import Event
from typing import final
from zipfile import ZipInfo

import httpx

from engine.errors import DiskShortError, LightboxError, MissingBackendError, ModelError
from engine.settings import Settings
from engine.spine.weights.catalogue import WeightsModel
from engine.spine.weights.checksums import Published, address_of, published, sha256_of
from engine.spine.weights.folders import (
    archive_path,
    downloads_folder,
    faults_of,
    model_folder,
    weights_folder,
)
from engine.spine.weights.manifest import write_manifest
from engine.spine.weights.parts import PartFile
from engine.spine.weights.progress import DownloadProgress, DownloadStatus
from engine.spine.weights.space import require_space
from engine.spine.weights.transfer import Tuning, WebFile, open_client
from engine.spine.weights.unpacking import Written, checked_entries, put_in_place, unpack

__all__ = ["Installation"]

_UNPACKING = "unpacking-"


@final
class Installation:
    """Brings one model onto this machine; the caller holds the lock."""

    def __init__(
        self, settings: Settings, model: WeightsModel, *, tuning: Tuning, stop: Event
    ) -> None:
        self._model = model
        self._base = settings.weights_url
        self._folder = model_folder(settings, model)
        self._downloads = downloads_folder(settings)
        self._by_hand = archive_path(settings, model)
        self._weights = weights_folder(settings)
        self._tuning = tuning
        self._stop = stop
        self._part = PartFile(self._downloads, f"{model.folder}.zip")
        self._address = address_of(model, self._base)
        self._file = WebFile(self._address, self._part, tuning=tuning, stop=stop)
        self._here = self._total = 0

    def abort(self) -> None:
        """Wake whatever waits for the server; called from another thread, after ``stop``."""
        self._file.abort()

    def run(self) -> Iterator[DownloadProgress]:
        """Yield reports until the model is installed.

        Raises
        ------
        MissingBackendError, ModelError, DiskShortError
            When it cannot be had, is not what it should be, or does not fit on the disk.
        Stopped
            When ``stop`` was set; what came is kept.
        """
        for leftover in self._downloads.glob(f"{_UNPACKING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            yield from self._run()
        except OSError as problem:
            raise _disk_error(problem, self._weights) from problem

    def _run(self) -> Iterator[DownloadProgress]:
        yield self._report("checking", 0.0, "Asking for the checksum.")
        with open_client(self._tuning) as client:
            said = published(self._model, self._base, client)
            if self._by_hand.is_file():
                yield from self._install(self._by_hand, said)
                return
            was_resumed = self._part.size > 0 or self._part.whole.exists()
            try:
                yield from self._fetch_and_install(client, said)
            except ModelError:
                # An older half, or a file that changed unnoticed: once more from the beginning.
                if not was_resumed or self._part.whole.exists() or self._part.size:
                    raise
                yield from self._fetch_and_install(client, said)

    def _fetch_and_install(
        self, client: httpx.Client, said: Published
    ) -> Iterator[DownloadProgress]:
        if not self._part.whole.exists():
            yield from self._fetch(client)
        yield from self._install(self._part.whole, said)
        self._part.reset()

    def _fetch(self, client: httpx.Client) -> Iterator[DownloadProgress]:
        try:
            for moved in self._file.fetch(client):
                self._here, self._total = moved.here, moved.total
                share = moved.here / moved.total if moved.total else 0.0
                text = moved.text or f"Downloading {self._model.title}."
                yield self._report("downloading", min(share, 1.0), text)
        except (MissingBackendError, httpx.HTTPError, httpx.InvalidURL) as problem:
            if isinstance(problem, MissingBackendError) and problem.__cause__ is None:
                raise  # the server answered: another computer would hear the same
            raise MissingBackendError(
                f"{problem} Without a connection: download {self._address} on another computer and "
                f"put the file at {self._by_hand}; the next download takes it from there."
            ) from problem
        self._part.finish()

    def _install(self, archive: Path, said: Published) -> Iterator[DownloadProgress]:
        self._here = self._total = archive.stat().st_size
        try:
            digest = yield from self._compare(archive, said)
            entries = checked_entries(archive, self._model)
        except ModelError:
            self._part.reset()  # it would be no better the next time
            raise
        unpacked_bytes = sum(entry.file_size for entry in entries)
        require_space(self._downloads, unpacked_bytes)
        beside = Path(mkdtemp(prefix=_UNPACKING, dir=self._downloads))
        try:
            written = yield from self._unpack(archive, entries, beside)
            self._finish(beside, written, digest, said)
        except ModelError:
            self._part.reset()
            raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _compare(self, archive: Path, said: Published) -> Generator[DownloadProgress, None, str]:
        """Return the archive's SHA-256 when it is the published one, or none is published."""
        yield self._report("verifying", 1.0, f"Comparing the checksum: {said.where}.")
        digest = ""
        for found in sha256_of(archive, self._stop):
            if isinstance(found, str):
                digest = found
        if said.sha256 not in (None, digest):
            raise ModelError(
                f"Expected {archive.name} with SHA-256 {said.sha256} ({said.where}), but got "
                f"{digest}; it was damaged or replaced on its way. Download it again; if that "
                "does not help, do not use it and check LIGHTBOX_WEIGHTS_URL and the proxy."
            )
        return digest

    def _unpack(
        self, archive: Path, entries: tuple[ZipInfo, ...], beside: Path
    ) -> Generator[DownloadProgress, None, list[Written]]:
        whole = max(1, sum(entry.file_size for entry in entries))
        written: list[Written] = []
        told = -1
        for step in unpack(archive, entries, beside, self._stop):
            if isinstance(step, Written):
                written.append(step)
            elif 100 * step // whole > told:
                told = 100 * step // whole
                yield self._report("unpacking", 1.0, f"Unpacking, {told} %.")
        return written

    def _finish(self, beside: Path, written: list[Written], digest: str, said: Published) -> None:
        fresh = beside / self._model.folder
        write_manifest(
            fresh,
            self._model,
            written,
            address=self._address,
            archive_sha256=digest,
            compared_with=said.where,
        )
        faults = faults_of(fresh, self._model)
        if faults:
            raise ModelError(
                f"Expected a whole {self._model.folder} in the ZIP, but {'; '.join(faults)}; "
                "download it again, or check LIGHTBOX_WEIGHTS_URL."
            )
        put_in_place(fresh, self._folder, beside / "replaced")

    def _report(self, status: DownloadStatus, share: float, text: str) -> DownloadProgress:
        return DownloadProgress(
            status=status,
            progress=share,
            downloaded_mb=self._here / 1e6,
            total_mb=self._total / 1e6,
            text=text,
        )


def _disk_error(problem: OSError, folder: Path) -> LightboxError:
    if problem.errno == errno.ENOSPC:
        return DiskShortError(
            f"Expected room on the disk of {folder}, but it is full; free some and start again: "
            "what came is kept."
        )
    return ModelError(
        f"Expected to write below {folder}, but that failed ({problem.strerror or problem}); make "
        "it writable, or set LIGHTBOX_TOTALSEG_WEIGHTS to a folder that is."
    )

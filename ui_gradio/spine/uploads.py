"""CTs on their way to a run: written to a private folder while they arrive, and soon forgotten.

Nothing of a client's file names is used but a harmless ending. A name that this gives out is
random, works once, and is the only way to what was uploaded.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, final

from anyio import CapacityLimiter, to_thread

from api.bodies import FormReader, is_multipart
from engine.errors import (
    BusyError,
    DiskShortError,
    InputError,
    NotFoundError,
    RequestError,
    TooLargeError,
)
from ui_gradio.vault import PREFIX

__all__ = ["Sent", "UploadLimits", "Uploads", "suffix_of"]

_SUFFIXES: Final = (".nii.gz", ".nii", ".dcm", ".zip", ".nrrd", ".mha")
_BATCH_BYTES: Final = 1 << 20
_FORM_BYTES_PER_FILE: Final = 2_000
"""What the headers of a part may add to its file."""
_FIELD_BYTES: Final = 1_000
_FIELDS: Final = 20


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """How much may be sent and kept. Bytes, files, seconds.

    ``max_total_bytes`` counts all uploads that wait or arrive. ``life_s``: an upload that no run
    took is forgotten. ``idle_s``: a sender that is silent for so long has gone; ``patience_s``: the
    longest that one upload may take. ``disk_floor_bytes`` stay free on the disk.
    """

    max_bytes: int
    max_total_bytes: int
    max_files: int = 10_000
    life_s: float = 600.0
    idle_s: float = 60.0
    patience_s: float = 3600.0
    disk_floor_bytes: int = 500_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A form that has arrived: the name of its files, and its other fields."""

    name: str
    files: int
    size: int
    fields: Mapping[str, str]


@final
@dataclass(slots=True, kw_only=True)
class _Kept:
    folder: Path
    size: int
    until: float

    @property
    def source(self) -> Path:
        """The file when there is one, else the folder: a ZIP is only opened as a file."""
        files = list(self.folder.iterdir())
        return files[0] if len(files) == 1 else self.folder


@final
class Uploads:
    """Uploads by random name, each in a folder of its own that only this user can open.

    Parameters
    ----------
    folder
        Makes the private folder of all uploads, or returns it; asked when it is first needed.
    limits
        How much may be sent and kept.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        limits: UploadLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._open_folder = folder
        self._folder: Path | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._arriving: dict[Path, int] = {}
        # Writing waits for the disk; the other threads of the server must not wait with it.
        self._threads = CapacityLimiter(4)

    def __len__(self) -> int:
        """Return how many uploads wait for their run."""
        self.forget_old()
        with self._lock:
            return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of all uploads that wait or arrive."""
        with self._lock:
            return self._total()

    async def receive(
        self, content_type: str, chunks: AsyncIterator[bytes], *, declared: str | None
    ) -> Sent:
        """Write the files of a form to a new folder while they arrive.

        ``declared`` is the Content-Length header, which refuses early and is not believed
        otherwise.

        Raises
        ------
        RequestError
            When the body is no form, is damaged, breaks off, or has no file in it.
        TooLargeError
            When bytes or files pass a limit.
        BusyError, DiskShortError
            When other uploads, or other files on the disk, take the room.
        InputError
            When it arrives too slowly.
        """
        if not is_multipart(content_type):
            raise RequestError(
                "An upload is a form (multipart/form-data) with one or more files in it."
            )
        self.forget_old()
        self._require_room(int(declared) if declared and declared.isdigit() else 0)
        folder = await to_thread.run_sync(self._new_folder)
        receiver = _Receiver(folder, self.limits, lambda size: self._grow(folder, size))
        try:
            reader = FormReader(content_type, receiver)
            async for batch in _batches(chunks, self.limits):
                await to_thread.run_sync(reader.write, batch, limiter=self._threads)
            await to_thread.run_sync(_finish, reader, receiver, limiter=self._threads)
            sent = self._keep(folder, receiver)
        except BaseException as error:
            receiver.close()
            self._drop(folder)
            if isinstance(error, OSError):
                raise _disk_problem(error) from error
            raise
        loop = asyncio.get_running_loop()
        loop.call_later(self.limits.life_s + 0.1, loop.run_in_executor, None, self.tidy)
        return sent

    def source(self, name: str) -> Path:
        """Return where an upload lies: its file, or its folder when it has several.

        Raises
        ------
        NotFoundError
            When the name is unknown, was used before, or is too old.
        """
        self.forget_old()
        with self._lock:
            return self._known(name).source

    @contextmanager
    def taking(self, names: Sequence[str]) -> Iterator[Path]:
        """Yield the source of uploads together: a file, or a folder.

        When the block ends well, it belongs to the caller and the names are forgotten; when it
        fails, a single upload stays for another try.

        Raises
        ------
        NotFoundError
            When a name is unknown, was used before, or is too old; the others stay.
        TooLargeError
            When there are too many files together.
        """
        self.forget_old()
        with self._lock:
            parts = [self._known(name) for name in dict.fromkeys(names)]
            if len(parts) > self.limits.max_files:
                raise _too_many(self.limits.max_files)
            for name in names:
                self._kept.pop(name, None)
            whole = parts[0] if len(parts) == 1 else self._joined(parts)
        try:
            yield whole.source
        except BaseException:
            if len(parts) == 1:
                with self._lock:
                    self._kept[names[0]] = whole
            else:
                shutil.rmtree(whole.folder, ignore_errors=True)
            raise

    def forget(self, name: str) -> None:
        """Remove an upload; an unknown name is fine."""
        with self._lock:
            kept = self._kept.pop(name, None)
        if kept:
            shutil.rmtree(kept.folder, ignore_errors=True)

    def forget_old(self) -> None:
        """Remove uploads whose time is over."""
        now = self._clock()
        with self._lock:
            old = [name for name, kept in self._kept.items() if kept.until <= now]
        for name in old:
            self.forget(name)

    def tidy(self) -> None:
        """Remove uploads whose time is over, and the empty folders of those that a run has read."""
        self.forget_old()
        with self._lock:
            known = {kept.folder for kept in self._kept.values()} | set(self._arriving)
            for folder in self._folder.iterdir() if self._folder else ():
                if folder not in known:
                    with suppress(OSError):  # not empty: a run reads it
                        folder.rmdir()

    def close(self) -> None:
        """Remove all uploads."""
        with self._lock:
            self._kept.clear()
            self._arriving.clear()
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _new_folder(self) -> Path:
        with self._lock:
            try:
                folder = self._another_folder()
            except OSError as error:
                raise _disk_problem(error) from error
            self._arriving[folder] = 0
        return folder

    def _another_folder(self) -> Path:
        """Make a private folder; called with the lock held."""
        if self._folder is None:
            self._folder = self._open_folder()
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder

    def _keep(self, folder: Path, receiver: _Receiver) -> Sent:
        name = PREFIX + secrets.token_urlsafe(24)
        with self._lock:
            size = self._arriving.pop(folder)
            until = self._clock() + self.limits.life_s
            self._kept[name] = _Kept(folder=folder, size=size, until=until)
        return Sent(name=name, files=receiver.files, size=size, fields=receiver.fields)

    def _drop(self, folder: Path) -> None:
        with self._lock:
            self._arriving.pop(folder, None)
        shutil.rmtree(folder, ignore_errors=True)

    def _known(self, name: str) -> _Kept:
        kept = self._kept.get(name)
        if kept is None:
            raise NotFoundError(
                "The upload is not here: a name works for one run and for "
                f"{self.limits.life_s / 60:.0f} minutes; upload the files again."
            )
        return kept

    def _joined(self, parts: list[_Kept]) -> _Kept:
        folder = self._another_folder()
        number = 0
        for part in parts:
            for file in part.folder.iterdir():
                number += 1
                file.rename(folder / f"{number:05d}{suffix_of(file.name)}")
            part.folder.rmdir()
        size = sum(part.size for part in parts)
        return _Kept(folder=folder, size=size, until=min(part.until for part in parts))

    def _grow(self, folder: Path, size: int) -> None:
        """Take note that ``size`` more bytes of an upload have come."""
        with self._lock:
            if self._total() + size > self.limits.max_total_bytes:
                raise _crowded()
            self._arriving[folder] += size

    def _require_room(self, declared: int) -> None:
        limits = self.limits
        if declared > limits.max_bytes + limits.max_files * _FORM_BYTES_PER_FILE:
            raise _too_large(limits.max_bytes)
        with self._lock:
            if self._total() + declared > limits.max_total_bytes:
                raise _crowded()
            self._folder = self._folder or self._open_folder()
            free = shutil.disk_usage(self._folder).free
        if free - declared < limits.disk_floor_bytes:
            raise DiskShortError(
                f"The upload needs {declared / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free on "
                f"the server's disk, of which {limits.disk_floor_bytes / 1e6:.0f} MB stay free; "
                "try again later, or tell the operator."
            )

    def _total(self) -> int:
        return sum(kept.size for kept in self._kept.values()) + sum(self._arriving.values())


def suffix_of(file_name: str) -> str:
    """Return the ending of a name when it is one that CTs have, else nothing.

    >>> suffix_of("Doe^John.NII.GZ"), suffix_of("IM0001"), suffix_of("../../x.py")
    ('.nii.gz', '', '')
    """
    lower = file_name.lower()
    return next((suffix for suffix in _SUFFIXES if lower.endswith(suffix)), "")


def _finish(reader: FormReader, receiver: _Receiver) -> None:
    reader.finish()
    receiver.close()
    if not receiver.files:
        raise RequestError(
            "The form has no file in it; send the CT as file parts named 'files': one NIfTI, NRRD, "
            "MHA or ZIP, or all files of a DICOM series."
        )


async def _batches(chunks: AsyncIterator[bytes], limits: UploadLimits) -> AsyncIterator[bytes]:
    """Join what arrives to pieces that are worth a change of threads."""
    batch = bytearray()
    try:
        async with asyncio.timeout(limits.patience_s):
            while True:
                async with asyncio.timeout(limits.idle_s):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                batch += chunk
                if len(batch) >= _BATCH_BYTES:
                    yield bytes(batch)
                    batch.clear()
    except TimeoutError as error:
        raise InputError(
            f"The upload stood still for {limits.idle_s:g} seconds or took longer than "
            f"{limits.patience_s / 60:g} minutes; use a faster connection or a smaller CT."
        ) from error
    yield bytes(batch)


@final
@dataclass(slots=True)
class _Receiver:
    """Writes the files of a form into a folder, under numbers; keeps short fields as text."""

    folder: Path
    limits: UploadLimits
    grow: Callable[[int], None]
    files: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    _size: int = 0
    _file: BinaryIO | None = None
    _field: tuple[str, bytearray] | None = None

    def begin(self, name: str, file_name: str | None) -> None:
        if file_name is None:
            self._field = (name, bytearray())
            if len(self.fields) >= _FIELDS:
                raise RequestError(f"The form has more than {_FIELDS} fields beside its files.")
            return
        if not file_name:  # a browser's input with nothing chosen
            return
        if self.files >= self.limits.max_files:
            raise _too_many(self.limits.max_files)
        self.files += 1
        self._file = (self.folder / f"{self.files:05d}{suffix_of(file_name)}").open("xb")

    def data(self, data: bytes) -> None:
        if self._file is not None:
            self._size += len(data)
            if self._size > self.limits.max_bytes:
                raise _too_large(self.limits.max_bytes)
            self.grow(len(data))
            self._file.write(data)
        elif self._field is not None:
            name, value = self._field
            value += data
            if len(value) > _FIELD_BYTES:
                raise RequestError(f"The field {name[:40]!r} is longer than {_FIELD_BYTES} bytes.")

    def end(self) -> None:
        if self._field is not None:
            name, value = self._field
            self.fields[name] = value.decode("utf-8", "replace")
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._field = None


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"The upload is larger than the limit of {max_bytes / 1e6:,.0f} MB; "
        "send one series, or pack it as .nii.gz."
    )


def _too_many(max_files: int) -> TooLargeError:
    return TooLargeError(
        f"The upload has more than {max_files:,} files; send the files of one series."
    )


def _crowded() -> BusyError:
    return BusyError(
        "Too many uploads wait for their run; try again in 30 seconds.", retry_after_s=30
    )


def _disk_problem(error: OSError) -> DiskShortError | OSError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskShortError("The server's disk is full; try again later, or tell the operator.")
    return error

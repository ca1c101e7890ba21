"""Files by content hash: the same bytes are stored once, and a name proves what it names.

Where they lie (a folder, a bucket) is the :class:`~engine.store.files.places.Place`'s affair; this
class names, hashes, verifies and lists, with fsspec, the same for every place.
"""

from __future__ import annotations

import io
import mimetypes
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast, final

from engine.errors import DamagedFileError, NotFoundError, RequestError
from engine.store.files import collecting, names
from engine.store.files.places import Place
from engine.store.files.reading import TellingStream
from engine.store.files.results import Checked, FileRef, Garbage, StoredFile
from engine.store.files.spooling import hash_stream, spooled

if TYPE_CHECKING:
    from engine.store.store import Store

__all__ = ["Files"]

_FOLDER: Final = re.compile(r".*/[0-9a-f]{2}")
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.-]+)*")


@final
class Files:
    """All files of one Lightbox; safe to use from threads and from several processes at once."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def put(self, data: bytes | BinaryIO | Path, *, media_type: str) -> FileRef:
        """Store all bytes of ``data`` (a stream: from where it stands) and return their name.

        Memory does not grow with the size. When this returns, the bytes survive a power cut; when
        the process is killed before, there is no such file. Bytes that are there already are
        stored again, which makes them young for the collection of garbage.

        Raises
        ------
        RequestError
            When ``media_type`` is not of the form ``type/subtype``, or the stream breaks off.
        NotFoundError
            When ``data`` is a path that cannot be read.
        DiskShortError, RemoteError, SettingsError
            When the place has no room, does not answer or cannot be written.
        """
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise RequestError(
                f"media_type must be of the form type/subtype, such as image/png, "
                f"but is {media_type[:80]!r}."
            )
        with self.place.telling("a new file"), spooled(data, self.place.incoming) as arrived:
            self.place.keep(arrived.path, arrived.sha256, media_type)
            return FileRef(sha256=arrived.sha256, size=arrived.size, media_type=media_type)

    def open(self, sha256: str) -> BinaryIO:
        """Return the file's bytes as a stream that can seek; close it.

        The bytes are not compared with the name: use :meth:`read`, :meth:`path` or :meth:`verify`
        where that matters.

        Raises
        ------
        NotFoundError
            When there is no such file, or ``sha256`` is no name.
        RemoteError, SettingsError
            When the place does not answer, now or while the stream is read.
        """
        doing = f"file {names.checked(sha256)}"
        with self.place.telling(doing):
            stream = self.place.filesystem.open(self._key(sha256), "rb")
        telling = TellingStream(cast("BinaryIO", stream), lambda: self.place.telling(doing))
        return cast("BinaryIO", io.BufferedReader(telling, buffer_size=1 << 18))

    def read(self, sha256: str) -> bytes:
        """Return all bytes of a file, compared with its name; for files that fit in memory.

        Raises
        ------
        DamagedFileError
            When the bytes are not those that the name promises.
        NotFoundError, RemoteError, SettingsError
            As :meth:`open`.
        """
        out = io.BytesIO()
        with self.open(sha256) as source:
            found, _ = hash_stream(source, then=out.write)
        if found != sha256:
            raise self._damaged(sha256, found)
        return out.getvalue()

    @contextmanager
    def path(self, sha256: str) -> Iterator[Path]:
        """Give a local path to the file's bytes, to be read only, until the context ends.

        It is the stored file itself where that lies on this machine (not compared with its name),
        else a copy (compared).

        Raises
        ------
        DamagedFileError, DiskShortError, NotFoundError, RemoteError, SettingsError
            As :meth:`read`.
        """
        local = self.place.local_path(names.checked(sha256))
        if local is not None:
            self.size(sha256)  # a sentence when it is not there
            yield local
            return
        with ExitStack() as stack:
            with self.place.telling(f"a copy of file {sha256}"):
                source = stack.enter_context(self.open(sha256))
                arrived = stack.enter_context(spooled(source, self.place.incoming))
            if arrived.sha256 != sha256:
                raise self._damaged(sha256, arrived.sha256)
            yield arrived.path

    def exists(self, sha256: str) -> bool:
        """Return whether there is such a file.

        Raises
        ------
        NotFoundError
            When ``sha256`` is no name.
        RemoteError, SettingsError
            When the place does not answer.
        """
        names.checked(sha256)
        try:
            self.size(sha256)
        except NotFoundError:
            return False
        return True

    def size(self, sha256: str) -> int:
        """Return the file's bytes.

        Raises
        ------
        NotFoundError, RemoteError, SettingsError
            As :meth:`open`.
        """
        with self.place.telling(f"file {names.checked(sha256)}"):
            return int(self.place.filesystem.info(self._key(sha256))["size"])

    def verify(self, sha256: str) -> Checked:
        """Read a file from end to end in constant memory and compare it with its name.

        Raises
        ------
        NotFoundError, RemoteError, SettingsError
            As :meth:`open`.
        """
        with self.open(sha256) as source:
            found, size = hash_stream(source)
        is_whole = found == sha256
        sentence = "whole" if is_whole else str(self._damaged(sha256, found))
        return Checked(sha256=sha256, ok=is_whole, size=size, sentence=sentence)

    def link(
        self, sha256: str, *, name: str, expires_s: int = 600, media_type: str = ""
    ) -> str | None:
        """Return an address under which a browser gets the file for ``expires_s`` seconds.

        ``None`` where files lie in a folder, or LIGHTBOX_FILES_LINKS is off: the server then hands
        them out itself, with its own permissions. ``name`` is what the browser saves it as.

        Raises
        ------
        NotFoundError, RemoteError
            As :meth:`open`.
        """
        self.size(sha256)
        guessed = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        with self.place.telling(f"a link to file {sha256}"):
            return self.place.link(sha256, name=name, media_type=guessed, expires_s=expires_s)

    def list(self) -> Iterator[StoredFile]:
        """Yield every stored file, ordered by name; what else lies there is passed over.

        Raises
        ------
        RemoteError, SettingsError
            When the place does not answer.
        """
        for folder in self._folders():
            with self.place.telling("the list of files"):
                found: dict[str, dict[str, Any]] = self.place.filesystem.find(folder, detail=True)
            for key in sorted(found):
                name = key.rpartition("/")[2]
                if names.is_name(name) and folder.endswith(f"/{name[:2]}"):
                    yield _stored(name, found[key])

    def remove(self, sha256: str) -> bool:
        """Remove a file, whatever names it; return whether there was one.

        Raises
        ------
        NotFoundError
            When ``sha256`` is no name.
        RemoteError, SettingsError
            When the place does not answer.
        """
        with self.place.telling(f"file {names.checked(sha256)}"):
            return self.place.remove_if_older(sha256, datetime.max.replace(tzinfo=UTC))

    def ping(self) -> str:
        """Return a sentence when files can be kept now; cheap enough to be asked once a minute.

        Raises
        ------
        DiskShortError, RemoteError, SettingsError
            When not.
        """
        with self.place.telling("a few bytes"):
            return self.place.ping()

    def collect(
        self,
        store: Store,
        *,
        dry_run: bool = True,
        older_than_s: float = 3600,
        also_kept: Collection[str] = (),
        also_read: Collection[Path] = (),
        everything: bool = False,
        tell: Callable[[float, str], None] = lambda _fraction, _stage: None,
    ) -> Garbage:
        """Find files that no record names and, unless ``dry_run``, remove them.

        Parameters
        ----------
        store
            All records.
        dry_run
            Look only.
        older_than_s
            Files that were put more recently stay: their record may not be written yet.
        also_kept
            Names that something outside the records needs, such as the manifests of backups.
        also_read
            Folders besides the records whose JSON files may name files: checkpoints of jobs.
        everything
            Go on even where no record names any of many files: lost records look like that.
        tell
            Is given fraction and stage while it works; may raise to stop.

        Raises
        ------
        RequestError
            When ``older_than_s`` is negative, or all of many files would go without
            ``everything``.
        DamagedStoreError
            When a collection cannot be read: what it names is unknown, so nothing may go.
        """
        return collecting.collect(
            self,
            dry_run=dry_run,
            older_than_s=older_than_s,
            everything=everything,
            kept=collecting.Kept(store=store, names=also_kept, folders=also_read),
            tell=tell,
        )

    def _folders(self) -> tuple[str, ...]:
        """Return the paths of the folders ``00`` to ``ff`` that are there."""
        try:
            with self.place.telling("any file"):
                found = self.place.filesystem.ls(self.place.root, detail=False)
        except NotFoundError:  # nothing was ever put
            return ()
        paths = (str(path).rstrip("/") for path in found)
        return tuple(sorted(path for path in paths if _FOLDER.fullmatch(path)))

    def _key(self, sha256: str) -> str:
        return f"{self.place.root}/{names.key_of(sha256)}"

    def _damaged(self, sha256: str, found: str) -> DamagedFileError:
        return DamagedFileError(
            f"Expected file {sha256} in {self.place.address} to be whole, but its bytes hash to "
            f"{found}; put the same file again, or restore it from a backup."
        )


def _stored(name: str, info: dict[str, Any]) -> StoredFile:
    """Return one entry; a folder gives seconds, a bucket a date."""
    modified = info["LastModified"] if "LastModified" in info else info["mtime"]
    if not isinstance(modified, datetime):
        modified = datetime.fromtimestamp(float(modified), UTC)
    return StoredFile(sha256=name, size=int(info["size"]), modified=modified.astimezone(UTC))

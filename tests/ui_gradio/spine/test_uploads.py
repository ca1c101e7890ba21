"""CTs on their way to a run: what is written, what is refused, what is forgotten."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.errors import (
    BusyError,
    DiskShortError,
    InputError,
    LightboxError,
    NotFoundError,
    RequestError,
    TooLargeError,
)
from ui_gradio.spine.uploads import Sent, UploadLimits, Uploads

KIND = "multipart/form-data; boundary=edge"
SMALL = UploadLimits(max_bytes=1000, max_total_bytes=2500, max_files=3, disk_floor_bytes=0)


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """Return a form with parts of field, file name and bytes."""
    body = b""
    for field, name, data in parts:
        file = "" if name is None else f'; filename="{name}"'
        body += (
            f'--edge\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode()
            + data
            + b"\r\n"
        )
    return body + b"--edge--\r\n"


def files(*datas: bytes, name: str = "a.dcm") -> bytes:
    """Return a form with files."""
    return form(*(("files", name, data) for data in datas))


async def chunked(body: bytes, size: int = 7) -> AsyncIterator[bytes]:
    """Yield the body in small pieces."""
    for at in range(0, len(body), size):
        yield body[at : at + size]


def send(
    uploads: Uploads,
    body: bytes | AsyncIterator[bytes],
    *,
    kind: str = KIND,
    declared: str | None = None,
) -> Sent:
    """Receive in an event loop of another thread: the browser tests keep one in ours."""
    chunks = chunked(body) if isinstance(body, bytes) else body
    with ThreadPoolExecutor(1) as pool:
        work = uploads.receive(kind, chunks, declared=declared)
        return pool.submit(asyncio.run, work).result()


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    """Return uploads with small limits."""
    return Uploads(folder_of(tmp_path), SMALL)


def folder_of(tmp_path: Path) -> Callable[[], Path]:
    """Return what makes a private folder."""

    def make() -> Path:
        (tmp_path / "in").mkdir(mode=0o700, exist_ok=True)
        return tmp_path / "in"

    return make


def everything(folder: Path) -> list[Path]:
    """Return all files and folders below ``folder``."""
    return sorted(folder.rglob("*"))


def test_files_are_written_under_our_own_names(uploads: Uploads, tmp_path: Path) -> None:
    """Neither path nor name of a client is used; a known ending stays; modes are private."""
    sent = send(
        uploads,
        form(
            ("files", "../../etc/Doe^John.NII.GZ", b"one"),
            ("backend", None, b"embedded"),
            ("files", "C:\\Doe\\IM0001", b"two"),
        ),
    )
    assert (sent.files, sent.size, dict(sent.fields)) == (2, 6, {"backend": "embedded"})
    folder = uploads.source(sent.name)
    assert [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())] == [
        ("00001.nii.gz", b"one"),
        ("00002", b"two"),
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "in").stat().st_mode) == 0o700
    assert len(sent.name) >= len("upload:") + 32


def test_one_file_is_named_itself(uploads: Uploads) -> None:
    """A ZIP is only opened when it is named as a file, so one file is handed on as one."""
    sent = send(uploads, files(b"PK", name="ct.zip"))
    assert uploads.source(sent.name).name == "00001.zip"


def test_the_same_bytes_get_two_names_and_folders(uploads: Uploads) -> None:
    """Nothing follows from the content."""
    first, second = send(uploads, files(b"x")), send(uploads, files(b"x"))
    assert first.name != second.name
    assert uploads.source(first.name).parent != uploads.source(second.name).parent


@pytest.mark.parametrize(
    ("body", "kind", "error", "sentence"),
    [
        (files(b"x"), "application/json", RequestError, "is a form"),
        (files(b"x"), "multipart/form-data", RequestError, "no boundary"),
        (b"garbage", KIND, RequestError, "cannot be read"),
        (b"", KIND, RequestError, "cut off"),
        (files(b"x" * 50)[:-20], KIND, RequestError, "cut off"),
        (b"--edge--\r\n", KIND, RequestError, "no file in it"),
        (form(("files", "", b"")), KIND, RequestError, "no file in it"),
        (form(("note", None, b"x")), KIND, RequestError, "no file in it"),
        (form(("note", None, b"x" * 1001)), KIND, RequestError, "longer than 1000 bytes"),
        (form(*[(f"n{n}", None, b"x") for n in range(21)]), KIND, RequestError, "20 fields"),
        (files(b"x" * 1001), KIND, TooLargeError, "larger than the limit"),
        (files(b"x" * 600, b"x" * 600), KIND, TooLargeError, "larger than the limit"),
        (files(b"x", b"x", b"x", b"x"), KIND, TooLargeError, "more than 3 files"),
    ],
)
def test_a_bad_form_leaves_nothing(
    uploads: Uploads,
    tmp_path: Path,
    body: bytes,
    kind: str,
    error: type[LightboxError],
    sentence: str,
) -> None:
    """Damaged, cut off, empty, too many, too large: a sentence, and no file stays."""
    with pytest.raises(error, match=sentence):
        send(uploads, body, kind=kind)
    assert everything(tmp_path / "in") == []
    assert (len(uploads), uploads.size) == (0, 0)


def test_reading_stops_at_the_limit(uploads: Uploads) -> None:
    """A body that goes on for ever is not read for ever; what is held is at most a batch."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield files(b"")[:-12]
        while True:
            taken += 1
            yield b"x" * 100_000

    with pytest.raises(TooLargeError, match="larger than the limit"):
        send(uploads, endless())
    assert taken < 15


def test_a_declared_length_refuses_before_reading(uploads: Uploads, tmp_path: Path) -> None:
    """Who says that the body is too long is believed; no folder is made."""
    with pytest.raises(TooLargeError, match="larger than the limit"):
        send(uploads, files(b"x"), declared="9999999")
    assert everything(tmp_path / "in") == []


def test_a_sender_who_goes_silent_is_given_up(tmp_path: Path) -> None:
    """A place is not kept for ever, and what came is removed."""
    limits = UploadLimits(max_bytes=99, max_total_bytes=99, idle_s=0.05, disk_floor_bytes=0)

    async def drops() -> AsyncIterator[bytes]:
        yield files(b"")[:-12]
        await asyncio.sleep(5)

    with pytest.raises(InputError, match=r"stood still for 0\.05 seconds"):
        send(Uploads(folder_of(tmp_path), limits), drops())
    assert everything(tmp_path / "in") == []


def test_a_sender_who_leaves_takes_everything_along(uploads: Uploads, tmp_path: Path) -> None:
    """An error of the connection in the middle of a file leaves no file."""

    async def breaking() -> AsyncIterator[bytes]:
        yield files(b"x" * 100)[:80]
        raise RequestError("The request broke off before its end; send it again.")

    with pytest.raises(RequestError, match="broke off"):
        send(uploads, breaking())
    assert everything(tmp_path / "in") == []


def test_all_uploads_together_are_bounded(uploads: Uploads) -> None:
    """The one that does not fit is told to come back; afterwards it fits."""
    names = [send(uploads, files(b"x" * 900)).name for _ in range(2)]
    with pytest.raises(BusyError, match="try again in 30 seconds") as refusal:
        send(uploads, files(b"x" * 900))
    assert refusal.value.retry_after_s == 30
    with pytest.raises(BusyError, match="Too many uploads"):
        send(uploads, files(b"x" * 900), declared="900")
    uploads.forget(names[0])
    send(uploads, files(b"x" * 900))


def test_a_disk_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would use up the floor of the disk is refused before it is read."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=600_000_000))
    limits = UploadLimits(max_bytes=10**9, max_total_bytes=10**9)
    with pytest.raises(DiskShortError, match="600 MB are free"):
        send(Uploads(folder_of(tmp_path), limits), files(b"x"), declared="200000000")


def test_a_disk_that_fills_up_is_told(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own error becomes a sentence."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DiskShortError, match="disk is full"):
        send(uploads, files(b"x"))


def clocked(tmp_path: Path) -> Iterator[tuple[Uploads, Callable[[float], None]]]:
    """Return uploads and a way to let time pass."""
    now = 0.0

    def later(seconds: float) -> None:
        nonlocal now
        now += seconds

    yield Uploads(folder_of(tmp_path), SMALL, clock=lambda: now), later


def test_an_upload_that_no_run_took_is_forgotten(tmp_path: Path) -> None:
    """After ten minutes the files are gone, and the name says so."""
    uploads, later = next(clocked(tmp_path))
    name = send(uploads, files(b"x")).name
    later(599)
    assert uploads.source(name).exists()
    later(1)
    with pytest.raises(NotFoundError, match="10 minutes; upload the files again"):
        uploads.source(name)
    assert everything(tmp_path / "in") == []


def test_a_run_takes_an_upload_once(uploads: Uploads, tmp_path: Path) -> None:
    """Its folder belongs to the run from then on; the name is unknown."""
    name = send(uploads, files(b"x")).name
    with uploads.taking([name]) as source:
        pass
    assert source.read_bytes() == b"x"
    assert (len(uploads), uploads.size) == (0, 0)
    with pytest.raises(NotFoundError, match="one run"), uploads.taking([name]):
        pass


def test_the_empty_folder_of_what_was_read_goes(uploads: Uploads, tmp_path: Path) -> None:
    """The run removes the file; its folder goes with the next sweep, one in use does not."""
    names = [send(uploads, files(b"x")).name for _ in range(3)]
    sources = []
    for name in names[:2]:
        with uploads.taking([name]) as source:
            sources.append(source)
    sources[0].unlink()
    uploads.tidy()
    assert not sources[0].parent.exists()
    assert sources[1].exists()
    assert uploads.source(names[2]).exists()


def test_uploads_that_came_one_by_one_are_joined(uploads: Uploads) -> None:
    """Files of a series that were sent on their own lie in one folder; a name given twice once."""
    names = [send(uploads, files(data)).name for data in (b"1", b"2")]
    with uploads.taking([*names, names[0]]) as source:
        assert sorted(file.read_bytes() for file in source.iterdir()) == [b"1", b"2"]


def test_an_unknown_name_leaves_the_others(uploads: Uploads) -> None:
    """Nothing is taken when one of several names is wrong."""
    name = send(uploads, files(b"1")).name
    with pytest.raises(NotFoundError, match="not here"), uploads.taking([name, "upload:guess"]):
        pass
    assert uploads.source(name).read_bytes() == b"1"


def test_a_run_that_does_not_begin_leaves_the_upload(uploads: Uploads) -> None:
    """When the line is full, the same upload can be tried again."""
    name = send(uploads, files(b"1")).name
    with pytest.raises(BusyError, match="full"), uploads.taking([name]):
        raise BusyError("The line is full.")
    assert uploads.source(name).read_bytes() == b"1"


def test_closing_removes_everything(uploads: Uploads, tmp_path: Path) -> None:
    """The folder itself goes, too."""
    send(uploads, files(b"1"))
    uploads.close()
    assert not (tmp_path / "in").exists()

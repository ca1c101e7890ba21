"""What every place for files must do: the same tests on a folder and on a bucket."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import NotFoundError, RequestError
from engine.settings import Settings
from engine.store.files import Files, open_files

# FIPS 180-2, appendix B.1: the SHA-256 of "abc".
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_named_by_its_content(files: Files) -> None:
    """The name is the SHA-256 of the bytes, and the reference tells their size and kind."""
    ref = files.put(b"abc", media_type="text/plain")
    assert (ref.sha256, ref.size, ref.media_type) == (ABC, 3, "text/plain")
    assert files.read(ABC) == b"abc"
    assert files.size(ABC) == 3
    assert files.exists(ABC)


def test_bytes_streams_and_paths_are_taken_alike(files: Files, tmp_path: Path) -> None:
    """Three ways to hand over the same bytes give the same one file."""
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    stream = io.BytesIO(b"##abc")
    stream.seek(2)
    refs = [files.put(data, media_type="text/plain") for data in (b"abc", stream, source)]
    assert {ref.sha256 for ref in refs} == {ABC}
    assert [file.sha256 for file in files.list()] == [ABC]
    assert source.read_bytes() == b"abc"


def test_an_empty_file_is_a_file(files: Files) -> None:
    """No bytes are content too."""
    ref = files.put(b"", media_type="application/octet-stream")
    assert ref.sha256 == hashlib.sha256(b"").hexdigest()
    assert files.read(ref.sha256) == b""
    assert files.verify(ref.sha256).ok


def test_a_stream_can_seek(files: Files) -> None:
    """A reader gets any part of a file without the rest."""
    data = bytes(range(256)) * 4096
    ref = files.put(data, media_type="application/octet-stream")
    with files.open(ref.sha256) as stream:
        assert stream.read(3) == data[:3]
        stream.seek(700_001)
        assert stream.read(10) == data[700_001:700_011]
        stream.seek(-5, io.SEEK_END)
        assert stream.read() == data[-5:]


def test_a_large_file_in_several_parts_comes_back_whole(files: Files, tmp_path: Path) -> None:
    """40 MB, which a bucket gets in parts, verify and read back as they were."""
    data = hashlib.shake_256(b"large").digest(40_000_000)
    ref = files.put(io.BytesIO(data), media_type="application/octet-stream")
    assert files.verify(ref.sha256).ok
    with files.path(ref.sha256) as path:
        assert path.read_bytes() == data


def test_a_path_lends_the_bytes(files: Files) -> None:
    """Libraries that want a path get one."""
    files.put(b"abc", media_type="text/plain")
    with files.path(ABC) as path:
        assert path.read_bytes() == b"abc"


def test_lent_copies_leave_nothing_behind(files: Files) -> None:
    """After lending, the folder for bytes on their way is empty."""
    files.put(b"abc", media_type="text/plain")
    with files.path(ABC) as path:
        assert path.exists()
    assert list(files.place.incoming.iterdir()) == []


def test_what_is_not_there_is_told(files: Files) -> None:
    """Each question about an unknown file answers with a sentence; existence with no."""
    assert not files.exists(ABC)
    for ask in (files.open, files.read, files.size, files.verify):
        with pytest.raises(NotFoundError, match=r"Expected file ba7816bf.* but there is none"):
            ask(ABC)
    with pytest.raises(NotFoundError, match="but there is none"), files.path(ABC):
        pass
    with pytest.raises(NotFoundError, match="but there is none"):
        files.link(ABC, name="abc.txt")
    assert not files.remove(ABC)
    assert list(files.list()) == []


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", ABC.upper(), ABC + "0", "a/" + ABC])
def test_nothing_but_a_name_is_looked_for(files: Files, name: str) -> None:
    """An address bar cannot lead out of the place."""
    for ask in (files.open, files.read, files.size, files.exists, files.remove, files.verify):
        with pytest.raises(NotFoundError, match="64 hexadecimal digits"):
            ask(name)
    with pytest.raises(NotFoundError, match="64 hexadecimal digits"), files.path(name):
        pass


@pytest.mark.parametrize("media_type", ["", "png", "image/png\r\nX-Evil: 1", "image / png"])
def test_a_media_type_has_its_form(files: Files, media_type: str) -> None:
    """What goes into a header later is checked now."""
    with pytest.raises(RequestError, match="type/subtype"):
        files.put(b"abc", media_type=media_type)


def test_a_source_that_cannot_be_read_is_told(files: Files, tmp_path: Path) -> None:
    """A missing path leaves nothing in the store."""
    with pytest.raises(NotFoundError, match="cannot be read"):
        files.put(tmp_path / "missing", media_type="text/plain")
    assert list(files.list()) == []


def test_a_source_that_breaks_off_leaves_nothing(files: Files) -> None:
    """A stream that fails half-way is not stored as a shorter file."""

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionResetError("the sender went away")
            return super().read(3)

    with pytest.raises(RequestError, match="broke off"):
        files.put(Breaking(b"abcdef"), media_type="text/plain")
    assert list(files.list()) == []
    assert list(files.place.incoming.iterdir()) == []


def test_a_list_tells_name_size_and_age(files: Files) -> None:
    """Every file is listed once, by name, with the moment when it was put."""
    wanted = {files.put(text, media_type="text/plain").sha256 for text in (b"a", b"bb", b"ccc")}
    listed = list(files.list())
    assert [file.sha256 for file in listed] == sorted(wanted)
    assert sorted(file.size for file in listed) == [1, 2, 3]
    assert all(abs(file.modified - datetime.now(UTC)) < timedelta(minutes=1) for file in listed)


def test_removing_removes_one(files: Files) -> None:
    """The others stay."""
    kept = files.put(b"kept", media_type="text/plain")
    gone = files.put(b"gone", media_type="text/plain")
    assert files.remove(gone.sha256)
    assert [file.sha256 for file in files.list()] == [kept.sha256]


def test_a_second_opening_sees_the_same_files(settings: Settings) -> None:
    """What one process put, another that opens the same settings reads."""
    open_files(settings).put(b"abc", media_type="text/plain")
    assert open_files(settings).read(ABC) == b"abc"


def test_many_threads_put_the_same_bytes(files: Files) -> None:
    """Whoever is last, the file is whole and there is one."""
    data = b"x" * 300_000
    with ThreadPoolExecutor(8) as pool:
        refs = list(pool.map(lambda _: files.put(data, media_type="text/plain"), range(16)))
    assert len({ref.sha256 for ref in refs}) == 1
    assert files.read(refs[0].sha256) == data
    assert len(list(files.list())) == 1

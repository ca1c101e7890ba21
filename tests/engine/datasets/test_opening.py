"""Uploads that mean harm, or were packed badly, are refused in a sentence; good ones are read."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from engine.datasets.opening import Limits, open_upload
from engine.errors import DatasetError, NotFoundError, TooLargeError
from tests.engine.datasets.uploads import zip_of


def test_zip_and_folder_give_the_same(tmp_path: Path) -> None:
    """Names are sorted paths, clutter is passed over, bytes are those that were packed."""
    files = {"b/y.png": b"2", "a/x.png": b"1", "__MACOSX/a/._x.png": b"0", "a/.DS_Store": b"0"}
    for name, data in files.items():
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(data)
    for place in (zip_of(tmp_path / "f.zip", files), tmp_path / "f"):
        with open_upload(place) as opened:
            assert opened.names == ("a/x.png", "b/y.png")
            assert opened.read("b/y.png") == b"2"
            with opened.local("a/x.png") as path:
                assert path.read_bytes() == b"1"
            with pytest.raises(NotFoundError, match="no file"):
                opened.read("../secret")


def test_a_single_file_is_known_by_its_own_name(tmp_path: Path) -> None:
    """A stored file without a name of its own is called what its sender called it."""
    (tmp_path / "abc").write_bytes(b"1")
    with open_upload(tmp_path / "abc", title="C:\\pics\\scan.png") as opened:
        assert opened.names == ("scan.png",)
        assert opened.read("scan.png") == b"1"


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a/../../x.png", "C:\\x.png"])
def test_names_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    """One such name is enough to refuse the whole ZIP: nobody packs pictures that way."""
    place = zip_of(tmp_path / "x.zip", {"ok.png": b"1", name: b"2"})
    with pytest.raises(DatasetError, match="points outside"), open_upload(place):
        pass


def test_links_are_refused_in_zips_and_not_followed_in_folders(tmp_path: Path) -> None:
    """A link could show any file of this machine."""
    entry = zipfile.ZipInfo("link.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DatasetError, match="link or a special file"):
        open_upload(tmp_path / "x.zip").__enter__()
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    (folder / "b.png").symlink_to("/etc/passwd")
    with open_upload(folder) as opened:
        assert opened.names == ("a.png",)
        assert opened.outcomes[0].name == "b.png"


def test_bombs_and_floods_are_refused(tmp_path: Path) -> None:
    """Too high a ratio, too many files, too many bytes: each before anything is unpacked."""
    place = zip_of(tmp_path / "x.zip", {"a.png": bytes(3_000_000), "b.png": b"1"})
    for limits, words in (
        (Limits(ratio_from_bytes=1_000_000), "looks like a bomb"),
        (Limits(max_files=1), "more than 1 files"),
        (Limits(max_unpacked_bytes=1_000_000), "unpacks to more than 1 MB"),
        (Limits(max_file_bytes=1_000_000), "A file of the upload has 3 MB"),
    ):
        with pytest.raises(TooLargeError, match=words), open_upload(place, limits=limits):
            pass


def test_nested_archives_are_told_and_not_opened(tmp_path: Path) -> None:
    """A ZIP inside a ZIP is left out with a sentence."""
    place = zip_of(tmp_path / "x.zip", {"a.png": b"1", "more.zip": b"PK\x03\x04"})
    with open_upload(place) as opened:
        assert opened.names == ("a.png",)
        assert "send it by itself" in opened.outcomes[0].sentences[0]


def test_damaged_archives_are_told(tmp_path: Path) -> None:
    """A cut ZIP, an entry with a wrong checksum, an empty ZIP, a missing file, a tar."""
    place = zip_of(tmp_path / "x.zip", {"a.png": b"some bytes that are stored" * 50})
    data = bytearray(place.read_bytes())
    (tmp_path / "cut.zip").write_bytes(data[:60])
    with pytest.raises(DatasetError, match="damaged or was cut off"):
        open_upload(tmp_path / "cut.zip").__enter__()
    data[40] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(data)
    with (
        open_upload(tmp_path / "bad.zip") as opened,
        pytest.raises(DatasetError, match="damaged in the archive"),
    ):
        opened.read("a.png")
    with pytest.raises(DatasetError, match="no files"):
        open_upload(zip_of(tmp_path / "empty.zip", {})).__enter__()
    with pytest.raises(NotFoundError, match="no file or folder"):
        open_upload(tmp_path / "nowhere").__enter__()
    (tmp_path / "x.tar").write_bytes(b"1")
    with pytest.raises(DatasetError, match="another archive"):
        open_upload(tmp_path / "x.tar").__enter__()

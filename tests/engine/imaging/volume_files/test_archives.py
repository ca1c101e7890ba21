"""Uploads: ZIPs that attack, folders with links, lists, limits."""

from __future__ import annotations

import io
import stat
import zipfile

import numpy as np
import pytest

from engine.errors import TooLargeError, VolumeError
from engine.imaging.volume_files import VolumeLimits, read_volume
from tests.engine.imaging.volume_files.ct_files import (
    PERSON,
    dicom_bytes,
    nifti,
    phantom,
    save,
    slices,
    zipped,
)


def nii() -> bytes:
    return nifti(*phantom()).to_bytes()


def entry(name: str, *, mode: int = stat.S_IFREG | 0o644, data: bytes = b"x") -> bytes:
    """Return a ZIP with a good CT and one odd entry."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ct.nii", nii())
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, data)
    return stream.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/passwd", "..\\evil", "C:\\evil", "c:evil", "\\\\host\\x"],
)
def test_names_that_point_outside_are_refused(name) -> None:
    """Nothing is ever unpacked to a disk, and such an archive is refused as a whole."""
    with pytest.raises(VolumeError, match="points outside"):
        read_volume(entry(name))


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR])
def test_links_and_special_files_are_refused(mode) -> None:
    """A link in an archive could point to any file."""
    with pytest.raises(VolumeError, match="link or a special file"):
        read_volume(entry("link", mode=mode, data=b"/etc/passwd"))


def test_an_encrypted_archive_is_refused() -> None:
    """The bit that says "encrypted" is enough; no password is asked for."""
    data = bytearray(zipped({"ct.nii": nii()}))
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    with pytest.raises(VolumeError, match="encrypted; pack it without a password"):
        read_volume(bytes(data))


def test_an_unknown_compression_is_refused() -> None:
    """Deflate64 (method 9) comes from Windows for files above 2 GB."""
    data = bytearray(zipped({"ct.nii": nii()}))
    central = data.index(b"PK\x01\x02")
    data[8] = data[central + 10] = 9
    with pytest.raises(VolumeError, match="compression method 9"):
        read_volume(bytes(data))


def test_bombs_are_refused_by_ratio_and_by_total() -> None:
    """200 MB of zeros in 200 kB; and any archive that unpacks to more than the limit."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(4):
            archive.writestr(f"{part}", bytes(50_000_000))
    with pytest.raises(TooLargeError, match="looks like a bomb"):
        read_volume(stream.getvalue())
    with pytest.raises(TooLargeError, match="unpacks to 200 MB, but at most 100 MB"):
        read_volume(stream.getvalue(), limits=VolumeLimits(max_unpacked_bytes=100_000_000))


def test_an_entry_that_lies_about_its_size_cannot_grow() -> None:
    """A size of 1000 in the directory and 50 MB of data: reading stops at 1000."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", nii()[:352] + bytes(50_000_000))
    data = bytearray(stream.getvalue())
    central = data.index(b"PK\x01\x02")
    for at in (22, central + 24):
        data[at : at + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(VolumeError, match="damaged"):
        read_volume(bytes(data))


def test_archives_inside_archives_are_not_opened() -> None:
    """Alone they are refused; beside a CT they are told and left closed."""
    inner = zipped({"ct.nii": nii()})
    with pytest.raises(VolumeError, match="archive inside the archive"):
        read_volume(zipped({"inner.zip": inner}))
    found = read_volume(zipped({"inner.zip": inner, "ct.nii": nii()}))
    assert found.warnings == (
        "1 other files were left out. 1 of them are archives inside the archive, which are not "
        "opened.",
    )


def test_ten_thousand_files_are_the_limit(tmp_path) -> None:
    """10,000 files pass (and are no CT), one more is refused; so in a folder and in a list."""
    many = {f"{at}": b"" for at in range(10_000)}
    with pytest.raises(VolumeError, match="none of the 10000 files"):
        read_volume(zipped(many))
    with pytest.raises(TooLargeError, match="more than 10,000 files"):
        read_volume(zipped(many | {"more": b""}))
    paths = sorted(save(tmp_path, slices()).iterdir())
    for what in (tmp_path, paths, paths[0]):
        with pytest.raises(TooLargeError, match="more than 3 files"):
            read_volume(what, limits=VolumeLimits(max_files=3))


def test_an_endless_directory_is_refused_before_it_is_loaded(monkeypatch) -> None:
    """A list of entries of 60 MB is not parsed to find that it has more than 10,000 of them."""
    data = bytearray(zipped({"ct.nii": nii()}))
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = (60_000_000).to_bytes(4, "little")
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("parsed"))
    with pytest.raises(TooLargeError, match="more than 10,000 files"):
        read_volume(bytes(data))


def test_bytes_above_the_limit_are_refused(tmp_path) -> None:
    """File, folder, list and bytes are measured before anything is read."""
    save(tmp_path, slices())
    for what in (nii(), tmp_path, sorted(tmp_path.iterdir())):
        with pytest.raises(TooLargeError, match="MB are accepted"):
            read_volume(what, limits=VolumeLimits(max_bytes=1000))


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_damaged_zip_is_refused(cut) -> None:
    """Cut off in the middle there is no directory; with a flipped bit the checksum fails."""
    data = zipped({"ct.nii": nii()})
    with pytest.raises(VolumeError, match="ZIP is damaged"):
        read_volume(data[: int(len(data) * cut)])
    flipped = bytearray(data)
    flipped[200] ^= 0xFF
    with pytest.raises(VolumeError, match="damaged"):
        read_volume(bytes(flipped))


def test_clutter_of_other_systems_is_ignored(tmp_path) -> None:
    """What macOS and Windows add to folders is neither read nor counted."""
    clutter = {"__MACOSX/._IM1": b"x", "a/.DS_Store": b"x", "Thumbs.db": b"x"}
    assert read_volume(zipped({"a/ct.nii": nii()} | clutter)).warnings == ()
    (tmp_path / "ct.nii").write_bytes(nii())
    (tmp_path / ".DS_Store").write_bytes(b"x")
    assert read_volume(tmp_path).warnings == ()


def test_links_in_a_folder_are_not_followed(tmp_path) -> None:
    """A link out of the folder is as if it were not there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ct.nii").write_bytes(nii())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").symlink_to(outside / "ct.nii")
    (folder / "sub").symlink_to(outside)
    with pytest.raises(VolumeError, match="there are no files"):
        read_volume(folder)
    one = save(tmp_path / "ct", slices(count=4)) / "IM0001"
    (tmp_path / "ct" / "zlink").symlink_to(outside / "ct.nii")
    assert read_volume(one).volume.shape[2] == 4


def test_odd_requests_are_told(tmp_path) -> None:
    """Nothing, an empty file, no file, two volumes, a ZIP among files: each has its sentence."""
    (tmp_path / "a.nii").write_bytes(nii())
    (tmp_path / "b.nii").write_bytes(nii())
    (tmp_path / "c.zip").write_bytes(zipped({"ct.nii": nii()}))
    for what, words in (
        ([], "there are no files"),
        (b"", "the file is empty"),
        (zipped({}), "there are no files"),
        (tmp_path / PERSON, "there is none at that path"),
        ([tmp_path / "a.nii", tmp_path / PERSON], "1 of them do not exist"),
        ([tmp_path / "a.nii", tmp_path / "b.nii"], "2 volumes; send the CT alone"),
        ([tmp_path / "a.nii", tmp_path / "c.zip"], "send the ZIP alone"),
    ):
        with pytest.raises(VolumeError, match=words) as caught:
            read_volume(what)
        assert PERSON not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "a PNG picture"),
        (b"%PDF-1.7" + bytes(500), "a PDF document"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(500), "7-Zip archive; pack the files as ZIP"),
        (b"\x1f\x8b" + bytes(500), "gzip file without NIfTI"),
        (bytes(257) + b"ustar" + bytes(500), "a tar archive"),
        ((348).to_bytes(4, "little") + bytes(500), "Analyze 7.5"),
        ((348).to_bytes(4, "little") + bytes(340) + b"ni1\0", "a NIfTI pair"),
        (b"\x93NUMPY" + bytes(500), "no orientation; save it as NIfTI"),
        (b"hello", "no format that we know"),
        (np.random.default_rng(0).bytes(5000), "no format that we know"),
    ],
)
def test_strangers_are_called_by_their_name(data, words) -> None:
    """A file that holds no volume is named, with what to do."""
    with pytest.raises(VolumeError, match=words):
        read_volume(data)


def test_dicom_in_a_zip_with_other_files_is_read() -> None:
    """A viewer, a DICOMDIR and a text beside the series do not matter."""
    files = {f"IMG/{k}": dicom_bytes(one) for k, one in enumerate(slices())}
    found = read_volume(zipped(files | {"VIEWER.EXE": b"MZ" + bytes(100), "README": b"hello"}))
    assert found.volume.shape == (24, 20, 8)
    assert found.warnings == ("2 other files were left out.",)

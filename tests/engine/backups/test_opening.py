"""Reading archives that are damaged, foreign or malicious: refused with a sentence, before use."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.backups.opening import open_archive
from engine.errors import BackupError
from tests.engine.backups.archives import FILE, IMAGES, honest, read_all, rewritten, sha


def checked(path: Path) -> None:
    with open_archive(path) as archive:
        archive.check(lambda _: None)


def changed(tmp_path: Path, **contents: bytes | None) -> Path:
    """Write the honest archive again with members changed, added or (None) left out."""
    members: dict[str, Any] = read_all(honest(tmp_path / "honest.zip")) | contents
    return rewritten(tmp_path / "a.zip", {k: v for k, v in members.items() if v is not None})


def with_manifest(tmp_path: Path, **fields: Any) -> Path:
    document = json.loads(read_all(honest(tmp_path / "honest.zip"))["manifest.json"])
    return changed(tmp_path, **{"manifest.json": json.dumps(document | fields).encode()})


def test_an_honest_archive_passes(tmp_path: Path) -> None:
    """What our writer wrote is read, and every byte of it is counted."""
    path, seen = honest(tmp_path / "a.zip"), []
    with open_archive(path) as archive:
        archive.check(seen.append)
        assert [file.sha256 for file in archive.files()] == [sha(FILE)]
        archive.unpack(tmp_path / "out", below="records/", packed=lambda _: None)
        assert sum(seen) == archive.unpacked_bytes - len(read_all(path)["manifest.json"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["images.json"]
    assert (tmp_path / "out" / "images.json").read_bytes() == IMAGES


def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    """Whatever is missing at the end, be it one byte, the sentence says that it is damaged."""
    whole = honest(tmp_path / "whole.zip").read_bytes()
    for length in [0, 1, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        with pytest.raises(BackupError, match="cut off or damaged"):
            checked(tmp_path / "cut.zip")


def test_no_single_changed_byte_goes_unnoticed(tmp_path: Path) -> None:
    """Each byte of the content of members, turned around, is found or changes nothing."""
    path = honest(tmp_path / "whole.zip")
    whole, contents = path.read_bytes(), read_all(path)
    for at in range(0, len(whole), 3):
        (tmp_path / "a.zip").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            checked(tmp_path / "a.zip")
        except BackupError:
            continue
        assert read_all(tmp_path / "a.zip") == contents, f"byte {at} went unnoticed"


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.json",
        "records/../../escaped.json",
        "/etc/escaped",
        "records/a\\..\\b.json",
        "C:/escaped.json",
        "records/sub/images.json",
        "records/",
        "audit/..",
        "files/short",
        "readme.txt",
    ],
)
def test_names_that_no_backup_has_are_refused(tmp_path: Path, name: str) -> None:
    """A name that leads elsewhere, or is merely unknown, ends the reading before it begins."""
    with pytest.raises(BackupError, match="a name that no backup has"):
        checked(changed(tmp_path, **{name: b"x"}))


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A member that says it is a symbolic link is not unpacked."""
    path = honest(tmp_path / "a.zip")
    contents = read_all(path)
    with zipfile.ZipFile(path, "w") as target:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if name == "records/images.json" else 0o100600) << 16
            target.writestr(entry, data)
    with pytest.raises(BackupError, match="a link"):
        checked(path)


@pytest.mark.parametrize(
    "name", ["records/images.json", "files.jsonl", f"files/{sha(FILE)}", "manifest.json"]
)
def test_a_missing_member_is_named(tmp_path: Path, name: str) -> None:
    """An archive that lacks a member is incomplete, whichever it is."""
    said = "stored files" if name.startswith("files/") else name
    with pytest.raises(BackupError, match=said):
        checked(changed(tmp_path, **{name: None}))


def test_a_member_too_many_is_named(tmp_path: Path) -> None:
    """A collection that the manifest does not list is not brought in by the back door."""
    with pytest.raises(BackupError, match=r"more than its manifest lists: records/users\.json"):
        checked(changed(tmp_path, **{"records/users.json": b"{}"}))


@pytest.mark.parametrize("name", ["records/images.json", f"files/{sha(FILE)}"])
def test_wrong_sums_are_found(tmp_path: Path, name: str) -> None:
    """Content of the right length with a right CRC but another SHA-256 is refused by name."""
    data = read_all(honest(tmp_path / "b.zip"))[name]
    other = bytes([data[0] ^ 1]) + data[1:]
    with pytest.raises(BackupError, match=f"SHA-256 or size of {name}"):
        checked(changed(tmp_path, **{name: other}))


def test_a_bomb_is_refused_by_its_own_figures(tmp_path: Path) -> None:
    """A member that claims more than deflate can pack is refused before a byte is unpacked."""
    path = honest(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")  # the first entry of the central list: its size lies at 24
    data[at + 24 : at + 28] = struct.pack("<L", 2_000_000_000)
    path.write_bytes(bytes(data))
    with pytest.raises(BackupError, match="bomb"):
        checked(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Entries that point at one another's bytes, as in Fifield's bomb, are refused."""
    kernel = io.BytesIO()
    with zipfile.ZipFile(kernel, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("manifest.json", b"{}")
        target.writestr(f"files/{0:064x}", os.urandom(5_000))
        one = target.infolist()[1]
        for number in range(1, 50):
            entry = zipfile.ZipInfo(f"files/{number:064x}")
            for field in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(entry, field, getattr(one, field))
            target.filelist.append(entry)
    (tmp_path / "a.zip").write_bytes(kernel.getvalue())
    with pytest.raises(BackupError, match="lie over each other"):
        checked(tmp_path / "a.zip")


def test_an_endless_list_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    """An archive whose list of members says it has gigabytes is not even opened."""
    path = honest(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x05\x06")
    data[at + 12 : at + 16] = struct.pack("<L", 3_000_000_000)
    path.write_bytes(bytes(data))
    with pytest.raises(BackupError, match="list alone has 3,000 MB"):
        checked(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(tmp_path: Path, method: int) -> None:
    """Only deflated and stored members are ours; others cost memory that nobody has checked."""
    contents = read_all(honest(tmp_path / "b.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as target:
        for name, data in contents.items():
            target.writestr(name, data)
    with pytest.raises(BackupError, match="Expected deflate"):
        checked(tmp_path / "a.zip")


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    """Two members of one name: readers disagree on which counts, so neither does."""
    contents = read_all(honest(tmp_path / "b.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        for name, data in contents.items():
            target.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            target.writestr("records/images.json", b"{}")
    with pytest.raises(BackupError, match="two members of one name"):
        checked(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut off or damaged"),
        (b"\x89PNG and no ZIP at all", "cut off or damaged"),
        (b"not json", "cut off or damaged"),
    ],
)
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    """Any other file is called what it is for us: damaged or none of ours."""
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(BackupError, match=said):
        checked(tmp_path / "a.zip")


def test_a_foreign_zip_is_refused(tmp_path: Path) -> None:
    """A ZIP of somebody's pictures is no backup."""
    with pytest.raises(BackupError, match=r"no manifest\.json"):
        checked(rewritten(tmp_path / "a.zip", {"images/one.png": b"x"}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": "other"}, "something else"),
        ({"version": 2}, "a newer Lightbox made it"),
        ({"version": None}, "a newer Lightbox made it"),
        ({"id": "../../x"}, "was altered"),
        ({"id": 5}, "was altered"),
        ({"created_at": "yesterday"}, "was altered"),
        ({"created_at": "2026-11-20T12:00:00"}, "was altered"),
        ({"file_count": -1}, "was altered"),
        ({"file_count": True}, "was altered"),
        ({"file_count": 2}, "Expected 2 stored files"),
        ({"members": [{"name": "../x", "size": 1, "sha256": "0" * 64}]}, "was altered"),
        ({"members": [{"name": "records/a.json", "size": 1, "sha256": "Z"}]}, "was altered"),
        ({"members": "none"}, "was altered"),
        ({"content": None}, "was altered"),
        ({"files_inside": False}, "Expected 0 stored files"),
    ],
)
def test_a_manifest_that_lies_is_refused(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    """Each field of the manifest is checked for form and against the archive."""
    with pytest.raises(BackupError, match=said):
        checked(with_manifest(tmp_path, **fields))


@pytest.mark.parametrize("text", [b"[" * 200_000, b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, text: bytes) -> None:
    """Deep nesting, half a document and other types end in a sentence, too."""
    with pytest.raises(BackupError, match=r"manifest|something else"):
        checked(changed(tmp_path, **{"manifest.json": text}))


@pytest.mark.parametrize(
    "line", [b"{}\n", b'{"sha256": "../x", "size": 1}\n', b'{"sha256": 1, "size": "a"}\n', b"\n"]
)
def test_a_list_of_files_that_lies_is_refused(tmp_path: Path, line: bytes) -> None:
    """A line of the list of files that is none is refused, even when its sum fits."""
    path = honest(tmp_path / "honest.zip")
    document = json.loads(read_all(path)["manifest.json"])
    for member in document["members"]:
        if member["name"] == "files.jsonl":
            member.update(size=len(line), sha256=sha(line))
    members = {"files.jsonl": line, "manifest.json": json.dumps(document).encode()}
    with pytest.raises(BackupError, match=r"files\.jsonl"):
        checked(changed(tmp_path, **members))


def test_links_and_pipes_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    """A backup is a plain file: a link could lead anywhere, a pipe never ends."""
    honest(tmp_path / "a.zip")
    (tmp_path / "link.zip").symlink_to(tmp_path / "a.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    for name, said in [
        ("link.zip", "is a link"),
        ("pipe.zip", "something else"),
        ("no.zip", "removed"),
    ]:
        with pytest.raises(BackupError, match=said):
            checked(tmp_path / name)


def test_a_damaged_member_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """Unpacking stops at the first member whose sum is wrong, with a sentence."""
    path = changed(tmp_path, **{"records/images.json": IMAGES[::-1]})
    with open_archive(path) as archive, pytest.raises(BackupError, match="SHA-256"):
        archive.unpack(tmp_path / "out", below="records/", packed=lambda _: None)

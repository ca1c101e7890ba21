"""Writing an archive: whole or not at all, readable by any ZIP program, in constant memory."""

from __future__ import annotations

import hashlib
import io
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from engine.backups.packing import PART_SUFFIX, ArchiveWriter, deflates_well
from tests.engine.backups.archives import (
    FILE,
    IMAGES,
    MADE_AT,
    honest,
    manifest_of,
    read_all,
)

_IN_256_MB = """
import resource, sys, zipfile
from datetime import UTC, datetime
from pathlib import Path
from engine.backups.packing import ArchiveWriter

class Endless:
    left = 300_000_000
    def read(self, count):
        size = min(count, self.left); self.left -= size
        return bytes(size)

resource.setrlimit(resource.RLIMIT_AS, (256_000_000, 256_000_000))
with ArchiveWriter(Path(sys.argv[1]), created_at=datetime.now(UTC)) as writer:
    member = writer.add("files/" + "0" * 64, Endless(), size=300_000_000, packed=lambda _: None)
print(member.size)
"""


def test_an_archive_is_a_plain_zip(tmp_path: Path) -> None:
    """Another ZIP reader finds every byte and every CRC as they were put in."""
    path = honest(tmp_path / "a.zip")
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
    contents = read_all(path)
    assert contents["records/images.json"] == IMAGES
    assert contents[f"files/{hashlib.sha256(FILE).hexdigest()}"] == FILE


def test_the_sum_that_is_returned_is_that_of_the_file(tmp_path: Path) -> None:
    """The SHA-256 counted while writing is the one of the finished file."""
    path = tmp_path / "a.zip"
    with ArchiveWriter(path, created_at=MADE_AT) as writer:
        writer.add("files.jsonl", io.BytesIO(b"x" * 5_000_000), size=1, packed=lambda _: None)
        found = writer.finish(manifest_of())
    assert found == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_is_private(tmp_path: Path) -> None:
    """Only the server's own user may read a backup: it holds accounts and patients."""
    assert stat.S_IMODE(honest(tmp_path / "a.zip").stat().st_mode) == 0o600


def test_until_it_is_finished_there_is_no_archive(tmp_path: Path) -> None:
    """Left before its manifest is written, it leaves neither the archive nor its half."""
    path = tmp_path / "a.zip"
    with ArchiveWriter(path, created_at=MADE_AT) as writer:
        writer.add("files.jsonl", io.BytesIO(b"abc"), size=3, packed=lambda _: None)
        assert path.with_name(path.name + PART_SUFFIX).exists()
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []


def test_progress_may_stop_the_writing(tmp_path: Path) -> None:
    """Whoever is told of the progress can end it by raising, in the middle of a member."""

    def told(_: int) -> None:
        raise InterruptedError("cancelled")

    with (
        pytest.raises(InterruptedError, match="cancelled"),
        ArchiveWriter(tmp_path / "a.zip", created_at=MADE_AT) as writer,
    ):
        writer.add("files.jsonl", io.BytesIO(b"abc"), size=3, packed=told)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_do_not_write_one_file(tmp_path: Path) -> None:
    """The second writer of one name is refused, and the first one's work is untouched."""
    with (
        ArchiveWriter(tmp_path / "a.zip", created_at=MADE_AT),
        pytest.raises(FileExistsError, match=r"a\.zip"),
    ):
        ArchiveWriter(tmp_path / "a.zip", created_at=MADE_AT)


def test_packed_files_are_not_packed_again() -> None:
    """A real PNG goes in as it is; a raw volume and a table are deflated."""
    picture = io.BytesIO()
    Image.effect_noise((128, 128), 60).save(picture, "png")
    assert not deflates_well(picture.getvalue())
    assert deflates_well(bytes(range(256)) * 1000)
    assert deflates_well(b"id,name\n" * 100)
    assert not deflates_well(b"")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """300 MB pass through a process that may have 256 MB of address space in all."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_256_MB, str(tmp_path / "a.zip")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.returncode) == ("300000000", 0), done.stderr

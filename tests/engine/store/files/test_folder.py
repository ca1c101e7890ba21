"""Files in a folder: whole or not there, whatever happens to the process or the disk."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import DamagedFileError, SettingsError
from engine.settings import Settings
from engine.store.files import are_remote, open_files

ROOT = Path(__file__).parents[4]


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_files_lie_below_the_home_by_default(tmp_path: Path) -> None:
    """HOME/files, in folders of the first two digits, for the server's eyes only, never written."""
    files = open_files(Settings(home=tmp_path))
    ref = files.put(b"abc", media_type="text/plain")
    path = tmp_path / "files" / "ba" / ref.sha256
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700
    assert not are_remote(Settings(home=tmp_path))


def test_a_folder_of_its_own_can_be_set(tmp_path: Path) -> None:
    """LIGHTBOX_FILES_URL may name a folder on another disk."""
    settings = Settings(home=tmp_path / "home", files_url=str(tmp_path / "elsewhere"))
    ref = open_files(settings).put(b"abc", media_type="text/plain")
    assert (tmp_path / "elsewhere" / "ba" / ref.sha256).exists()
    assert not (tmp_path / "home").exists()


def test_opening_makes_and_asks_nothing(tmp_path: Path) -> None:
    """A read-only question on a fresh home leaves no folder behind."""
    files = open_files(Settings(home=tmp_path / "home"))
    assert list(files.list()) == []
    assert not (tmp_path / "home").exists()


def test_a_local_path_is_the_file_itself(tmp_path: Path) -> None:
    """Nothing is copied to be read here; and there is no link, for our server gives it out."""
    files = open_files(Settings(home=tmp_path))
    ref = files.put(b"abc", media_type="text/plain")
    with files.path(ref.sha256) as path:
        assert path == tmp_path / "files" / "ba" / ref.sha256
    assert files.link(ref.sha256, name="abc.txt") is None


def test_damage_is_found_and_healed_by_the_same_bytes(tmp_path: Path) -> None:
    """A changed byte is named by verify and read; putting the bytes again makes the file whole."""
    files = open_files(Settings(home=tmp_path))
    ref = files.put(b"abc", media_type="text/plain")
    path = tmp_path / "files" / "ba" / ref.sha256
    path.chmod(0o600)
    path.write_bytes(b"abd")
    found = files.verify(ref.sha256)
    assert not found.ok
    # printf abd | sha256sum
    assert "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9" in found.sentence
    with pytest.raises(DamagedFileError, match="put the same file again, or restore"):
        files.read(ref.sha256)
    files.put(b"abc", media_type="text/plain")
    assert files.verify(ref.sha256).ok


def test_what_else_lies_there_is_passed_over(tmp_path: Path) -> None:
    """Strange files, wrong folders and half-written ones are no stored files."""
    files = open_files(Settings(home=tmp_path))
    ref = files.put(b"abc", media_type="text/plain")
    (tmp_path / "files" / "ba" / "notes.txt").write_text("?")
    (tmp_path / "files" / "zz").mkdir()
    (tmp_path / "files" / "zz" / ref.sha256).write_bytes(b"abc")
    (tmp_path / "files" / "ab").mkdir()
    (tmp_path / "files" / "ab" / ref.sha256).write_bytes(b"abc")
    assert [file.sha256 for file in files.list()] == [ref.sha256]


SLOW_WRITER = """
import sys
from pathlib import Path
from engine.settings import Settings
from engine.store.files import open_files

class Slow:
    left = 10_000
    def read(self, size):
        self.left -= 1
        if self.left == 9_990:
            print("half-way", flush=True)
        return b"x" * 100_000 if self.left else b""

open_files(Settings(home=Path(sys.argv[1]))).put(Slow(), media_type="text/plain")
"""


def test_a_killed_writer_leaves_no_file(tmp_path: Path) -> None:
    """``kill -9`` half-way through a large file: nothing is listed, and the rest is swept later."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half-way\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    files = open_files(Settings(home=tmp_path))
    assert list(files.list()) == []
    (leftover,) = files.place.incoming.iterdir()
    assert leftover.stat().st_size > 0


KILLED_WRITERS = """
import sys
from pathlib import Path
from engine.settings import Settings
from engine.store.files import open_files

files = open_files(Settings(home=Path(sys.argv[1])))
number = 0
while True:
    number += 1
    ref = files.put(f"{sys.argv[2]}/{number}".encode() * 5_000, media_type="text/plain")
    print(ref.sha256, flush=True)
"""


def test_what_was_put_survives_kills_at_random_moments(tmp_path: Path) -> None:
    """Each name that a killed writer had told is there and whole; so is every other listed file."""
    told: set[str] = set()
    for round_ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITERS, str(tmp_path), str(round_)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            told.add(process.stdout.readline().decode().strip())
            time.sleep(0.003 * round_)
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().decode().splitlines(keepends=True)
            told |= {line.strip() for line in rest if line.endswith("\n")}
    files = open_files(Settings(home=tmp_path))
    listed = {file.sha256 for file in files.list()}
    assert told <= listed
    assert all(files.verify(name).ok for name in listed)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """The kernel's own limit on a file's size stands for a full disk."""
    code = """
import resource, sys
from pathlib import Path
from engine.settings import Settings
from engine.store.files import open_files

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
files = open_files(Settings(home=Path(sys.argv[1])))
small = files.put(b"small", media_type="text/plain")
try:
    files.put(b"x" * 2_000_000, media_type="text/plain")
except Exception as error:
    print(type(error).__name__, error.code, error)
print([file.size for file in files.list()], list(files.place.incoming.iterdir()))
"""
    result = run(code, tmp_path)
    first, last = result.stdout.splitlines()
    assert first.startswith("DiskShortError disk_short Expected room for a new file in ")
    assert first.endswith("free some, then try again.")
    assert last == "[5] []"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where the folder should be: the sentence names the place and what to see to."""
    (tmp_path / "files").write_text("in the way")
    files = open_files(Settings(home=tmp_path))
    with pytest.raises(SettingsError, match=r"in .*files.*; see that the folder belongs"):
        files.put(b"abc", media_type="text/plain")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """300 MB go in, are verified and come out with less than 40 MB more than the start."""
    code = """
import re, sys
from pathlib import Path
from engine.settings import Settings
from engine.store.files import open_files

def peak_kb():
    return int(re.search(r"VmHWM: *\\t* *([0-9]+)", Path("/proc/self/status").read_text())[1])

class Zeros:
    left = 300
    def read(self, size):
        self.left -= 1
        return bytes(1_000_000) if self.left >= 0 else b""

files = open_files(Settings(home=Path(sys.argv[1])))
files.put(b"warm", media_type="text/plain")
list(files.list())
before = peak_kb()
ref = files.put(Zeros(), media_type="application/octet-stream")
assert files.verify(ref.sha256).ok
print(ref.size, ref.sha256, peak_kb() - before)
"""
    size, sha256, grown_kb = run(code, tmp_path).stdout.split()
    assert int(size) == 300_000_000
    assert sha256 == hashlib.sha256(bytes(300_000_000)).hexdigest()
    assert int(grown_kb) < 40_000


def test_a_reader_goes_on_while_the_same_bytes_are_put(tmp_path: Path) -> None:
    """Replacing a file by itself disturbs nobody who has it open."""
    files = open_files(Settings(home=tmp_path))
    data = os.urandom(3_000_000)
    ref = files.put(data, media_type="application/octet-stream")
    with files.open(ref.sha256) as stream:
        begin = stream.read(1_000_000)
        files.put(io.BytesIO(data), media_type="application/octet-stream")
        assert begin + stream.read() == data


def test_importing_the_store_of_files_is_light() -> None:
    """Neither fsspec nor any cloud library is loaded before a file is asked for."""
    code = (
        "import engine.store.files, sys; "
        "print([n for n in ('fsspec', 's3fs', 'boto3', 'botocore', 'aiohttp') if n in sys.modules])"
    )
    assert run(code).stdout.strip() == "[]"

"""One writer at a time, among threads and processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.errors import BusyError, StoreError
from engine.store.locks import is_held_here, locked, try_locked

HOLDER = """
import sys, time
from pathlib import Path
from engine.store.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

AGAIN_AND_AGAIN = """
import sys, time
from pathlib import Path
from engine.store.locks import locked
stop = time.monotonic() + 30
while time.monotonic() < stop:
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(0.002)
"""


def test_threads_take_turns(tmp_path: Path) -> None:
    """What two threads do under the lock never overlaps."""
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(30):
            with locked(tmp_path / "lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0005)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_another_process_waits_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    """The lock of a living process is respected; ``kill -9`` frees it."""
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(BusyError, match="held by another program for 0 s"),
            locked(path, patience_s=0.05),
        ):
            pass
        with try_locked(path) as is_ours:
            assert not is_ours
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(path, patience_s=1):
        assert is_held_here(path)


def test_a_forked_child_does_not_share_the_lock(tmp_path: Path) -> None:
    """A child forked while the lock is held has to wait like everybody else."""
    path = tmp_path / "lock"
    with locked(path):
        child = os.fork()
        if child == 0:
            with try_locked(path) as is_ours:
                os._exit(1 if is_ours or is_held_here(path) else 0)
        assert os.waitpid(child, 0)[1] == 0


def test_try_locked_takes_what_is_free(tmp_path: Path) -> None:
    """A free lock is taken and given back."""
    for _ in range(2):
        with try_locked(tmp_path / "lock") as is_ours:
            assert is_ours
    with locked(tmp_path / "lock", patience_s=0):
        pass


def test_a_waiting_thread_gets_its_turn_from_a_busy_one(tmp_path: Path) -> None:
    """A process that takes the lock again and again does not keep another out for long."""
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", AGAIN_AND_AGAIN, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        for _ in range(5):
            with locked(path, patience_s=5):
                pass
    finally:
        holder.kill()
        holder.stdout.close()
        holder.wait()


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network drives refuse: the sentence says where the records belong."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(StoreError, match=r"No locks available.*put LIGHTBOX_HOME on a local disk"),
        locked(tmp_path / "lock"),
    ):
        pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Without the folder, or without rights in it, there is a sentence and no trace."""
    with (
        pytest.raises(StoreError, match=r"lock could not be written in .*No such file"),
        locked(tmp_path / "gone" / "lock"),
    ):
        pass


def test_no_lock_is_left_after_an_exception(tmp_path: Path) -> None:
    """An error under the lock lets it go."""
    with pytest.raises(ZeroDivisionError, match="division"), locked(tmp_path / "lock"):
        _ = 1 / 0
    with locked(tmp_path / "lock", patience_s=0):
        assert is_held_here(tmp_path / "lock")
    assert not is_held_here(tmp_path / "lock")

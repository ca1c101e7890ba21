"""What a backup costs and withstands: time, memory, and restores that are killed.

``python -m benchmarks.backups [--records 10000] [--files 300] [--kills 100]``

*Cost*: a home with so many pictures' records and so many stored files of 1 MB that do not shrink.
Making includes the rehearsal (every byte is read again and compared); restoring includes the
check, the backup of the state before, and its rehearsal. Peak memory is that of a process of its
own, as the system counts it. The named peer of the same run is ``shutil.make_archive`` of the same
folders, which checks nothing. *Kills*: a restore is killed with SIGKILL at random moments; the
records must then be those from before or those of the backup, all of them.
Ends with exit code 1 when a mixture was seen.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path

from engine.backups import Backups
from engine.people.audit import open_audit
from engine.settings import Settings
from engine.store import Store
from engine.store.files import open_files
from engine.store.records import Image

FILE_BYTES = 1_000_000


def main() -> int:
    """Print the figures; return 1 when a restore was seen half done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--kills", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        fill(home, records=given.records, files=given.files)
        cost(home, given.records, given.files)
    with tempfile.TemporaryDirectory() as name:
        return 0 if kills(Path(name) / "home", given.kills) else 1


def opened(home: Path) -> tuple[Store, Backups]:
    """Open the home as a server does."""
    settings = Settings(home=home, memory_floor_mb=0)
    store = Store(home / "records")
    return store, Backups(settings, store, open_files(settings), open_audit(settings))


def fill(home: Path, *, records: int, files: int) -> None:
    """Put pictures that share the files."""
    stored = open_files(Settings(home=home))
    refs = [
        stored.put(os.urandom(FILE_BYTES), media_type="application/octet-stream")
        for _ in range(files)
    ]
    store, _ = opened(home)
    with store.images.transaction() as images:
        for number in range(records):
            sha256 = refs[number % files].sha256 if refs else "0" * 64
            images.put(Image(name=f"picture {number}", sha256=sha256, media_type="image/png"))


def cost(home: Path, records: int, files: int) -> None:
    """Print seconds and peak memory of making and restoring."""
    began = time.monotonic()
    shutil.make_archive(str(home.parent / "peer"), "zip", home)
    peer_s = time.monotonic() - began
    print(f"{records:,} records and {files:,} files of 1 MB; shutil.make_archive: {peer_s:.1f} s")
    for what, work in {"make": make, "restore": restore}.items():
        seconds, peak_mb = measured(work, home)
        print(f"  {what:8}{seconds:6.1f} s  ({seconds / peer_s:.1f} × peer)  peak {peak_mb:.0f} MB")


def make(home: Path) -> None:
    """Make one backup."""
    opened(home)[1].make()


def restore(home: Path) -> None:
    """Put the latest one back."""
    opened(home)[1].restore("latest")


def measured(work: Callable[[Path], None], home: Path) -> tuple[float, float]:
    """Run ``work`` in a process of its own; return its seconds and its peak memory in MB."""
    answers: Queue[tuple[float, float]] = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(
        target=_measure, args=(work, home, answers)
    )
    process.start()
    answer = answers.get()
    process.join()
    return answer


def _measure(work: Callable[[Path], None], home: Path, answers: Queue[tuple[float, float]]) -> None:
    began = time.monotonic()
    work(home)
    seconds = time.monotonic() - began
    answers.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6))


def kills(home: Path, count: int) -> bool:
    """Kill restores at random moments; print and return whether none was half done."""
    fill(home, records=200, files=3)
    store, backups = opened(home)
    states = {backups.make().id: state(store)}
    with store.transaction("images", "patients") as both:
        for image in both["images"].values()[::2]:
            both["images"].remove(image.id)
    states[backups.make().id] = state(store)
    began = time.monotonic()
    backups.restore(next(iter(states)))
    duration_s = time.monotonic() - began
    mixtures = finished = 0
    for _ in range(count):
        wanted = next(name for name, saved in states.items() if saved != state(store))
        child = os.fork()
        if child == 0:
            opened(home)[1].restore(wanted)
            os._exit(0)
        time.sleep(random.uniform(0, 2 * duration_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = state(store)
        mixtures += found not in states.values()
        finished += found == states[wanted]
    print(f"{count} restores killed: {finished} had happened, {mixtures} were half done")
    return mixtures == 0


def state(store: Store) -> dict[str, bytes]:
    """Return the pictures' records as they are stored."""
    return dict(store.images.read().lines)


if __name__ == "__main__":
    sys.exit(main())

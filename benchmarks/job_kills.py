"""Kills workers and jobs at random moments and counts what was lost.

    python -m benchmarks.job_kills --kills 200

Real workers draw sample datasets while this program ends them with SIGKILL, a job's process or the
whole worker by chance. At the end every job must be completed, every dataset whole, every picture
there once, and no process left. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from engine.jobs import Queue
from engine.jobs.orphans import processes_of
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.store import Store
from engine.store.files import open_files

__all__ = ["main"]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_measure(Path(folder), options.kills, random.Random(options.seed))))


def _measure(home: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    settings = Settings(home=home, memory_floor_mb=100, backup_interval_h=0)
    store = Store(home / "records")
    queue = Queue(store, settings)
    began, done = time.monotonic(), {"worker": 0, "job": 0}
    worker = _worker(settings)
    jobs: list[str] = []
    while sum(done.values()) < kills:
        while queue.counts()["pending"] < 2:
            jobs.append(_submit(queue, store, seed=len(jobs)))
        process = _running(queue, wait_s=3.0)
        time.sleep(chance.uniform(0.0, 0.6))
        if process is not None and chance.random() < 0.5:
            with suppress(psutil.NoSuchProcess):  # it was faster
                process.kill()
                done["job"] += 1
        else:
            worker.kill()
            worker.wait()
            worker = _worker(settings)
            done["worker"] += 1
    while queue.counts()["pending"] + queue.counts()["processing"] + queue.counts()["stuck"]:
        time.sleep(0.2)
    worker.terminate()
    worker.wait(30)
    ended = [queue.get(job) for job in jobs]
    return {
        "kills": done,
        "jobs": len(jobs),
        "completed": sum(job.state == "completed" for job in ended),
        "most_attempts": max(job.attempts for job in ended),
        "whole_datasets": _whole(store, settings),
        "processes_left": sum(len(processes_of(job)) for job in jobs),
        "seconds": round(time.monotonic() - began, 1),
    }


def _running(queue: Queue, *, wait_s: float) -> psutil.Process | None:
    """Return the process of a job that is at work, when there is one soon."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        for job in queue.all():
            if job.state == "processing" and job.process_id:
                with suppress(psutil.NoSuchProcess):
                    return psutil.Process(job.process_id)
        time.sleep(0.02)
    return None


def _submit(queue: Queue, store: Store, *, seed: int) -> str:
    payload = {"pictures": 12, "side_px": 160, "seed": seed}
    job = queue.submit("sample_data", payload, actor=SYSTEM)
    with store.jobs.transaction() as held:
        held.put(replace(job, max_attempts=1000))
    return job.id


def _worker(settings: Settings) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "worker"],
        env={**os.environ, **settings.as_mapping()},
        stderr=subprocess.DEVNULL,
    )


def _whole(store: Store, settings: Settings) -> int:
    """Return how many datasets have each of their pictures once, with a mask, files unharmed."""
    files = open_files(settings)
    images, masks = store.images.read(), store.masks.read()
    count = 0
    for dataset in store.datasets.read():
        own = images.where(dataset_id=dataset.id)
        has_masks = all(len(masks.where(image_id=image.id)) == 1 for image in own)
        are_unharmed = all(files.verify(image.sha256).ok for image in own)
        count += dataset.status == "ready" and len(own) == 12 and has_masks and are_unharmed
    return count


if __name__ == "__main__":
    main()

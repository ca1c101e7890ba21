"""The task ``train_model`` in real processes: killed, and going on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.catalogue.trainings.history import read_history
from engine.catalogue.trainings.places import work_folder
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.workbench import Workbench
from tests.engine.catalogue.training_house import WISHES, House
from tests.engine.jobs.workplace import ROOT


def test_a_killed_training_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    """After kill -9 of the job's process the worker starts it again, from its checkpoint.

    No epoch is missing or twice, the version of the dataset is the same, and one model comes of it.
    """
    house = House.at(tmp_path / "home")
    # The process has to be told what the tests want of it: one thread, quick to give up.
    settings = Settings(home=tmp_path / "home", memory_floor_mb=100, job_grace_s=1)
    bench: Workbench = house.bench
    wishes = {**WISHES, "epochs": 6}
    job = bench.trainings.start(SYSTEM, house.dataset.id, wishes)
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "worker", "--until-empty"],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, **settings.as_mapping(), "OMP_NUM_THREADS": "1"},
        )
        try:
            folder, end = work_folder(settings, job.id), time.monotonic() + 180
            while sum(one["kind"] == "epoch" for one in read_history(folder)) < 1:
                said = (tmp_path / "worker.log").read_text()[-2000:]
                assert time.monotonic() < end, f"{bench.queue.get(job.id)}\n{said}"
                time.sleep(0.02)
            process = bench.queue.get(job.id).process_id
            assert process is not None
            os.kill(process, signal.SIGKILL)
            worker.wait(180)
        finally:
            worker.kill()
            worker.wait()
    done = bench.queue.get(job.id)
    assert (done.state, done.attempts) == ("completed", 2), done.error
    shown = bench.trainings.progress(SYSTEM, job.id)
    assert [one["epoch"] for one in shown.epochs] == [1, 2, 3, 4, 5, 6]
    (model,) = bench.store.models.read()
    assert done.results[0].ref == model.id
    assert len(bench.datasets.versions(bench.store.datasets.read()[house.dataset.id])) == 1

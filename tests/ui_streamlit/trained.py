"""A home in which one training was really done, and the same training half-way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from engine.catalogue.trainings.places import kept_folder
from engine.store import now
from engine.store.records import Job
from tests.engine.catalogue.training_house import WISHES, House
from tests.ui_streamlit.studio import Studio

__all__ = ["half_way", "put_job", "train_once", "training_of"]


def train_once(home: Path) -> Path:
    """Train a tiny model of three epochs in a new home; return the home."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    house = House.at(home)
    house.run(house.job(wishes={**WISHES, "epochs": 3}, name="First"))
    house.bench.close()
    torch.set_num_threads(before)
    return home


def training_of(studio: Studio) -> Job:
    """Return the training of that home."""
    (job,) = [one for one in studio.workbench.queue.all() if one.task == "train_model"]
    return job


def put_job(studio: Studio, job: Job, **changes: object) -> Job:
    """Store a job as it is with ``changes``."""
    made = replace(job, **changes)
    with studio.workbench.store.jobs.transaction() as jobs:
        jobs.put(made)
    return made


def half_way(studio: Studio, *, epochs: int, **changes: object) -> Job:
    """Put the training back to where it had told of so many epochs; a worker is at it."""
    job = training_of(studio)
    path = kept_folder(studio.settings, job.id) / "history.jsonl"
    kept: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["kind"] == "epoch" and event["epoch"] > epochs:
            break
        kept.append(line)
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    at_work = {"state": "processing", "results": (), "fraction": 0.5, "stage": "Learning"}
    times = {"started_at": now(), "heartbeat_at": now(), "finished_at": None}
    return put_job(studio, job, **(at_work | times | changes))

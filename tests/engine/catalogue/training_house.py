"""A home with drawn discs to learn from, and trainings that take seconds, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.catalogue.trainings.running import train_model
from engine.imaging import masks, pictures
from engine.jobs.context import JobContext
from engine.people.actors import SYSTEM, Actor
from engine.settings import Settings
from engine.store import new_id
from engine.store.records import Dataset, Image, Job, Mask
from engine.workbench import Workbench

__all__ = ["ANN", "BOSS", "CLASSES", "ULI", "WISHES", "House", "discs"]

ANN = Actor(id="ann", name="Ann", role="ANNOTATOR")
ULI = Actor(id="uli", name="Uli", role="UPLOADER")
BOSS = Actor(id="boss", name="Boss", role="ADMIN")
CLASSES = ("background", "disc")
WISHES: Mapping[str, Any] = {"epochs": 2, "patch_px": 64, "batch_size": 4}


def discs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A dark picture ``(64, 80, 3)`` with four bright discs, and its mask of 0 and 1."""
    random = np.random.default_rng(seed)
    mask = np.zeros((64, 80), np.uint8)
    for _ in range(4):
        middle = int(random.integers(8, 72)), int(random.integers(8, 56))
        cv2.circle(mask, middle, int(random.integers(5, 10)), 1, cv2.FILLED)
    grey = np.where(mask > 0, 170, 60) + random.normal(0, 12, mask.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


@dataclass
class House:
    """A workbench with one dataset."""

    bench: Workbench
    dataset: Dataset = field(init=False)

    @classmethod
    def at(cls, home: Path, *, count: int = 8) -> House:
        """Open a home with ``count`` pictures of discs, half of them for training, and masks."""
        house = cls(Workbench(Settings(home=home, memory_floor_mb=100)))
        house.dataset = Dataset(name="Discs", status="ready", classes=CLASSES)
        with house.bench.store.datasets.transaction() as datasets:
            datasets.put(house.dataset)
        for number in range(count):
            part = ("train", "train", "validation", "test")[number % 4]
            house.put(*discs(number), name=f"{number}.png", split=part)
        return house

    def put(
        self, picture: np.ndarray, mask: np.ndarray | None, state: str = "submitted", **fields: Any
    ) -> Image:
        """Store a picture, with a mask if there is one."""
        kept = self.bench.files.put(pictures.encode_png(picture), media_type="image/png")
        about = {"dataset_id": self.dataset.id, "sha256": kept.sha256, "media_type": "image/png"}
        image = Image(height_px=picture.shape[0], width_px=picture.shape[1], **about, **fields)
        with self.bench.store.images.transaction() as images:
            images.put(image)
        if mask is not None:
            self.draw(image, mask, state)
        return image

    def draw(self, image: Image, mask: np.ndarray, state: str = "submitted") -> Mask:
        """Store the next revision of a picture's mask."""
        kept = self.bench.files.put(masks.encode(mask, classes=255), media_type="image/png")
        with self.bench.store.masks.transaction() as changes:
            made = Mask(
                id=new_id(),
                image_id=image.id,
                sha256=kept.sha256,
                state=state,
                revision=len(changes.where(image_id=image.id)) + 1,
            )
            changes.put(made)
        return made

    def job(self, **payload: Any) -> Job:
        """Ask for a training; nobody takes it but who calls :meth:`run`."""
        whole = {"dataset": self.dataset.id, "wishes": dict(WISHES), **payload}
        return self.bench.queue.submit("train_model", whole, actor=SYSTEM, title="Train “Discs”")

    def context(self, job: Job) -> JobContext:
        """An attempt at a job in this process."""
        at_work = replace(job, state="processing", attempts=1)
        with self.bench.store.jobs.transaction() as jobs:
            jobs.put(at_work)
        return JobContext(at_work, self.bench.settings, store=self.bench.store)

    def run(self, job: Job) -> str:
        """Do it in this process; return its closing sentence."""
        context = self.context(job)
        said = train_model(context)
        with self.bench.store.jobs.transaction() as jobs:
            jobs.put(replace(context.job, state="completed", results=context.results))
        return said

"""A home with a dataset and a model whose answers are known by arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.catalogue.predicting import Predicting
from engine.imaging import masks, pictures
from engine.people.actors import Actor
from engine.settings import Settings
from engine.store import new_id
from engine.store.records import Dataset, Image, Mask
from engine.workbench import Workbench
from tests.engine.segmentation.threshold_model import write_threshold_model

__all__ = ["ANN", "BOSS", "ULI", "House", "open_house"]

ANN = Actor(id="ann", name="Ann", role="ANNOTATOR")
ULI = Actor(id="uli", name="Uli", role="UPLOADER")
BOSS = Actor(id="boss", name="Boss", role="ADMIN")


@dataclass
class House:
    """A workbench with a dataset, the models, and what is tested."""

    bench: Workbench
    dataset: Dataset
    model: str

    @property
    def predicting(self) -> Predicting:
        """What is tested."""
        return self.bench.predicting

    def bring(self, folder: Path, **about: object) -> str:
        """Bring another such model in; return its id."""
        write_threshold_model(folder, **about)
        return self.bench.models.keep(folder, actor_id="boss").id

    def put(self, picture: np.ndarray, name: str = "p.png", **fields: object) -> Image:
        """Store a picture of the dataset."""
        kept = self.bench.files.put(pictures.encode_png(picture), media_type="image/png")
        image = Image(
            name=name,
            sha256=kept.sha256,
            media_type="image/png",
            width_px=picture.shape[1],
            height_px=picture.shape[0],
            **{"dataset_id": self.dataset.id, **fields},
        )
        with self.bench.store.images.transaction() as images:
            images.put(image)
        return image

    def put_mask(self, image: Image, mask: np.ndarray) -> Mask:
        """Store a mask as submitted by somebody."""
        kept = self.bench.files.put(masks.encode(mask, classes=255), media_type="image/png")
        made = Mask(id=new_id(), image_id=image.id, sha256=kept.sha256, state="submitted")
        with self.bench.store.masks.transaction() as changes:
            changes.put(made)
        return made


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Open a home with one dataset of two classes, and a model of the same two."""
    bench = Workbench(Settings(home=folder / "home"))
    dataset = Dataset(name="Smears", status="ready", classes=("background", "Nucleus"))
    with bench.store.datasets.transaction() as datasets:
        datasets.put(dataset)
    house = House(bench, dataset, "")
    house.model = house.bring(folder / "binary")
    yield house
    bench.close()

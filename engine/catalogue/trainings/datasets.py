"""A dataset of the store as what a training learns from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from engine.catalogue.datasets import STANDARD_CLASSES
from engine.catalogue.picture_records import chosen_masks
from engine.errors import RequestError

if TYPE_CHECKING:
    from engine.store import Store
    from engine.store.files import Files
    from engine.store.records import Dataset, Image, Mask
    from engine.training.examples import Example, Loaded, TrainingSet

__all__ = ["training_set_of"]


def training_set_of(
    store: Store, files: Files, dataset: Dataset, *, manifest_sha256: str = ""
) -> TrainingSet:
    """Return the pictures of a dataset that have a mask which counts; nothing is loaded yet.

    Drafts are left out: somebody is still at work on them.

    Raises
    ------
    RequestError
        When no picture has a mask.
    """
    from engine.training.examples import TrainingSet

    images = sorted(
        store.images.read().where(dataset_id=dataset.id), key=lambda one: (one.name, one.id)
    )
    masks = {
        image_id: mask
        for image_id, mask in chosen_masks(store, images).items()
        if mask.state != "draft"
    }
    classes = dataset.classes or STANDARD_CLASSES
    examples = tuple(
        _example(files, image, masks[image.id], len(classes))
        for image in images
        if image.id in masks
    )
    if not examples:
        raise RequestError(
            f"“{dataset.name}” has {len(images)} pictures, but none has a mask yet; draw some on "
            "the page Annotate and save them, or bring masks in."
        )
    return TrainingSet(
        name=dataset.name, classes=classes, examples=examples, manifest_sha256=manifest_sha256
    )


def _example(files: Files, image: Image, mask: Mask, classes: int) -> Example:
    from engine.training.examples import Example

    load: Callable[[], Loaded] = partial(_loaded, files, image.sha256, mask.sha256, classes)
    return Example(
        name=image.name,
        load=load,
        group=image.group,
        split=image.split,
        pixel_size_um=image.pixel_size_um,
    )


def _loaded(files: Files, picture: str, mask: str, classes: int) -> Loaded:
    from engine.imaging import masks, pictures

    data = files.read(picture)
    return (
        pictures.decode(data, max_pixels=400_000_000, max_bytes=max(1, len(data))),
        masks.decode(files.read(mask), classes=classes),
    )

"""A dataset of the store as what a training learns from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalogue.datasets import STANDARD_CLASSES
from engine.catalogue.picture_records import chosen_masks
from engine.errors import RequestError
from engine.jobs.folders import read_json, write_json

if TYPE_CHECKING:
    from engine.store import Store
    from engine.store.files import Files
    from engine.store.records import Dataset, Image, Mask
    from engine.training.examples import Example, Loaded, TrainingSet

__all__ = ["remembered_set", "training_set_of"]


def training_set_of(store: Store, files: Files, dataset: Dataset) -> TrainingSet:
    """Return the pictures of a dataset that have a mask which counts; nothing is loaded yet.

    Drafts are left out: somebody is still at work on them.

    Raises
    ------
    RequestError
        When no picture has a mask.
    """
    images = sorted(
        store.images.read().where(dataset_id=dataset.id), key=lambda one: (one.name, one.id)
    )
    masks = chosen_masks(store, images)
    rows = [
        _row(image, masks[image.id])
        for image in images
        if image.id in masks and masks[image.id].state != "draft"
    ]
    return _set(files, dataset, dataset.classes or STANDARD_CLASSES, rows, of=len(images))


def remembered_set(
    store: Store, files: Files, dataset: Dataset, *, version: str, folder: Path
) -> TrainingSet:
    """Return the pictures of a frozen version, the same ones at each attempt of a training.

    ``version`` is the hash of its manifest. What was chosen is kept in ``folder``: people go on
    drawing while a training is interrupted, and it must not meet other pictures afterwards.

    Raises
    ------
    RequestError
        When the dataset has no such version, or no picture of it has a mask.
    """
    note = folder / "pictures.json"
    kept = read_json(note)
    if not kept:
        kept = _frozen(store, files, dataset, version)
        write_json(note, kept, durable=True)
    return _set(
        files,
        dataset,
        tuple(kept["classes"]),
        kept["rows"],
        of=int(kept["pictures"]),
        manifest_sha256=str(kept["version"]),
    )


def _frozen(store: Store, files: Files, dataset: Dataset, version: str) -> dict[str, Any]:
    """Return what a version consists of; masks that are still drafts are left out."""
    known = {str(row["manifest"]) for row in dataset.details.get("versions", ())}
    if version not in known:
        raise RequestError(
            f"“{dataset.name}” has no version {version[:12]!r}; choose one from its page, or leave "
            "it out to train on what is there now."
        )
    manifest = json.loads(files.read(version))
    images = store.images.read().where(dataset_id=dataset.id)
    sizes = {image.sha256: image.pixel_size_um for image in images}
    states: dict[str, set[str]] = {}
    masks = store.masks.read()
    for image in images:
        for mask in masks.where(image_id=image.id):
            states.setdefault(mask.sha256, set()).add(mask.state)
    rows = [
        {
            "name": row["name"],
            "sha256": row["sha256"],
            "mask": row["mask_sha256"],
            "group": row["group"],
            "split": row["split"],
            "pixel_size_um": sizes.get(row["sha256"]),
        }
        for row in manifest["pictures"]
        if row["mask_sha256"] and states.get(row["mask_sha256"]) != {"draft"}
    ]
    return {
        "version": version,
        "classes": manifest["classes"],
        "pictures": len(manifest["pictures"]),
        "rows": rows,
    }


def _row(image: Image, mask: Mask) -> dict[str, Any]:
    return {
        "name": image.name,
        "sha256": image.sha256,
        "mask": mask.sha256,
        "group": image.group,
        "split": image.split,
        "pixel_size_um": image.pixel_size_um,
    }


def _set(
    files: Files,
    dataset: Dataset,
    classes: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    *,
    of: int,
    manifest_sha256: str = "",
) -> TrainingSet:
    from engine.training.examples import TrainingSet

    if not rows:
        raise RequestError(
            f"“{dataset.name}” has {of} pictures, but none has a mask yet; draw some on the page "
            "Annotate and save them, or bring masks in."
        )
    return TrainingSet(
        name=dataset.name,
        classes=classes,
        examples=tuple(_example(files, row, len(classes)) for row in rows),
        manifest_sha256=manifest_sha256,
    )


def _example(files: Files, row: Mapping[str, Any], classes: int) -> Example:
    from engine.training.examples import Example

    load: Callable[[], Loaded] = partial(_loaded, files, row["sha256"], row["mask"], classes)
    return Example(
        name=row["name"],
        load=load,
        group=row["group"],
        split=row["split"],
        pixel_size_um=row["pixel_size_um"],
    )


def _loaded(files: Files, picture: str, mask: str, classes: int) -> Loaded:
    from engine.imaging import masks, pictures

    data = files.read(picture)
    return (
        pictures.decode(data, max_pixels=400_000_000, max_bytes=max(1, len(data))),
        masks.decode(files.read(mask), classes=classes),
    )

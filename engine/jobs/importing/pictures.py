"""One entry of an upload to the records and files of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from engine.datasets import checks
from engine.datasets.entries import Entry, FileOutcome
from engine.datasets.labelling import boxes_of, mask_of
from engine.datasets.taking import Taken, take_picture, thumbnail
from engine.imaging import masks
from engine.imaging.headers import read_header
from engine.jobs.importing.keeping import Kept
from engine.store.records import CellAnnotation, CellCoordinates, Image, Mask

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.store.records import Dataset

__all__ = ["Rules", "kept_of"]

_BASE_MB, _BYTES_PER_PIXEL = 100.0, 15.0  # picture, levels, mask and its labels: measured


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the labels of an import mean."""

    mapping: Mapping[str, str] = field(hash=False)
    classes: tuple[str, ...]


def kept_of(
    context: JobContext, dataset: Dataset, entry: Entry, rules: Rules, image_id: str
) -> tuple[Kept, FileOutcome]:
    """Store the files of a picture and return its records and the line of the report.

    Raises
    ------
    LightboxError
        When the picture or its labels cannot be taken; nothing refers to what was stored then.
    """
    data = entry.image.read()
    need_mb = _BASE_MB + _BYTES_PER_PIXEL * read_header(data).pixels / 1e6
    context.guard_step(need_mb, what="reading the next picture")
    taken = take_picture(data)
    taken = replace(taken, removed=(*entry.image.removed, *taken.removed))
    size = (taken.height_px, taken.width_px)
    mask, mended = mask_of(entry.labels, mapping=rules.mapping, classes=rules.classes, size=size)
    boxes, cut = boxes_of(entry.labels, size)
    cells = tuple(
        CellAnnotation(
            id=f"{image_id}-{number}",
            image_id=image_id,
            user_id=context.job.created_by,
            cell_coordinates=CellCoordinates(x=box.x, y=box.y, width=box.width, height=box.height),
            cell_type=rules.mapping.get(box.class_name, box.class_name),
            origin="imported",
        )
        for number, box in enumerate(boxes)
    )
    image = _image(context, dataset, entry, taken, image_id, mask)
    mask_record = None if mask is None else _mask(context, dataset, image_id, mask, rules)
    repairs = (*entry.notes, *taken.repairs, *mended, *cut)
    line = FileOutcome(
        name=entry.image.name,
        outcome="repaired" if repairs else "accepted",
        sentences=(*repairs, *taken.notes, *_stripped(taken)),
    )
    return Kept(image=image, mask=mask_record, cells=cells), line


def _image(
    context: JobContext,
    dataset: Dataset,
    entry: Entry,
    taken: Taken,
    image_id: str,
    mask: NDArray[np.uint8] | None,
) -> Image:
    stored = context.files.put(taken.data, media_type=taken.media_type)
    small = context.files.put(thumbnail(taken.picture, mask), media_type="image/jpeg")
    details: dict[str, Any] = {"file": entry.image.name[:300]}
    if taken.removed:
        details["removed"] = list(taken.removed)
    return Image(
        id=image_id,
        name=entry.name[:200],
        sha256=stored.sha256,
        media_type=stored.media_type,
        size_bytes=stored.size,
        width_px=taken.width_px,
        height_px=taken.height_px,
        channels=taken.channels,
        bits=taken.bits,
        pixel_size_um=entry.pixel_size_um or taken.pixel_size_um,
        dataset_id=dataset.id,
        thumbnail_sha256=small.sha256,
        perceptual_hash=checks.perceptual_hash(taken.picture),
        group=entry.group[:200],
        split=entry.split,
        status="new" if mask is None else "to_review",
        uploader_id=context.job.created_by,
        details=details,
    )


def _mask(
    context: JobContext,
    dataset: Dataset,
    image_id: str,
    mask: NDArray[np.uint8],
    rules: Rules,
) -> Mask:
    data = masks.encode(mask, classes=len(rules.classes))
    stored = context.files.put(data, media_type="image/png")
    found = np.bincount(mask.ravel(), minlength=256)
    counts = {name: int(found[value]) for value, name in enumerate(rules.classes)}
    counts["not_annotated"] = int(found[masks.NOT_ANNOTATED])
    return Mask(
        id=f"{image_id}-imported",
        image_id=image_id,
        sha256=stored.sha256,
        author=context.job.created_by,
        origin="imported",
        state="submitted",
        counts=counts,
        details={"dataset": dataset.id},
    )


def _stripped(taken: Taken) -> tuple[str, ...]:
    if not taken.removed:
        return ()
    return (f"Taken out: {', '.join(taken.removed)}.",)

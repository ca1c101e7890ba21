"""What the task ``export_dataset`` does: a dataset's pictures and labels into one ZIP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from engine.catalogue.datasets import STANDARD_CLASSES
from engine.catalogue.picture_records import Belongings, belongings, chosen_masks
from engine.datasets.entries import Box, Entry, Labels, MaskFile, PictureFile, Shapes
from engine.datasets.forms import Form, form_named
from engine.errors import RequestError
from engine.people.permissions import require
from engine.store.records import CellAnnotation, Dataset, Image, Mask

if TYPE_CHECKING:
    from engine.jobs.context import JobContext

__all__ = ["export_dataset"]

_ENDINGS: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/webp": ".webp",
}


def export_dataset(context: JobContext) -> str:
    """Write the ZIP, store it, and name it as the job's result."""
    require(context.actor, "datasets.view")
    dataset = context.store.datasets.read()[str(context.payload["dataset"])]
    form = form_named(str(context.payload["form"]))
    images = context.store.images.read().where(dataset_id=dataset.id)
    if not images:
        raise RequestError(f"“{dataset.name}” has no pictures to export; bring some in first.")
    about = belongings(context.store, sorted(images, key=lambda image: (image.name, image.id)))
    has_cells = _takes_cells(form, about, str(context.payload.get("labels", "")))
    classes = _classes(dataset, about.cells if has_cells else ())
    context.log(f"{len(images)} pictures as {form.title}, {'cells' if has_cells else 'masks'}.")
    path = context.folder / f"{form.name}.zip"
    form.write(_entries(context, form, about, has_cells=has_cells), path, classes=classes)
    context.report(0.97, "Storing the archive")
    kept = context.files.put(path, media_type="application/zip")
    path.unlink()
    context.result("file", kept.sha256, f"{dataset.name} ({form.name}).zip")
    return f"“{dataset.name}” is ready to download: {len(images):,} pictures, {form.title}."


def _takes_cells(form: Form, about: Belongings, wanted: str) -> bool:
    """Say whether cells are written rather than masks; a form carries one of both.

    Raises
    ------
    RequestError
        When cells were asked for, and there are none or the form has no place for them.
    """
    can = form.shows == "objects" and bool(about.cells)
    if wanted == "cells" and not can:
        raise RequestError(
            f"{form.title} has no cells to write here: it carries masks only, or nobody marked "
            "cells; choose masks, or a form of objects such as COCO."
        )
    return can and wanted != "masks"


def _entries(
    context: JobContext, form: Form, about: Belongings, *, has_cells: bool
) -> Iterator[Entry]:
    masks = chosen_masks(context.store, about.images)
    cells: dict[str | None, list[CellAnnotation]] = {}
    for cell in about.cells:
        cells.setdefault(cell.image_id, []).append(cell)
    total = len(about.images)
    for number, image in enumerate(about.images):
        context.guard_step(what="writing the next picture")
        context.report(
            0.95 * number / total, f"Writing {form.name}", f"{number} of {total} pictures"
        )
        if has_cells:
            yield _entry(context, image, _boxes(cells.get(image.id, ())))
        else:
            yield _entry(context, image, _mask_file(context, masks.get(image.id)))


def _entry(context: JobContext, image: Image, labels: Labels | None) -> Entry:
    ending = _ENDINGS.get(image.media_type, PurePosixPath(image.name).suffix or ".png")
    # Names of sample data have an ending, those that were imported have none.
    has_ending = PurePosixPath(image.name).suffix.lower() in (*_ENDINGS.values(), ".jpeg", ".tiff")
    name = PurePosixPath(image.name).stem if has_ending else image.name
    return Entry(
        name=name,
        image=PictureFile(
            name=f"{name}{ending}",
            read=partial(context.files.read, image.sha256),
            size_bytes=image.size_bytes,
        ),
        labels=labels,
        group=image.group,
        split=image.split,
        pixel_size_um=image.pixel_size_um,
    )


def _mask_file(context: JobContext, mask: Mask | None) -> MaskFile | None:
    if mask is None:
        return None
    return MaskFile(name=f"{mask.id}.png", read=partial(context.files.read, mask.sha256))


def _boxes(cells: Sequence[CellAnnotation]) -> Shapes:
    return Shapes(
        shapes=tuple(
            Box(
                class_name=cell.cell_type,
                x=cell.cell_coordinates.x,
                y=cell.cell_coordinates.y,
                width=cell.cell_coordinates.width,
                height=cell.cell_coordinates.height,
            )
            for cell in cells
        )
    )


def _classes(dataset: Dataset, cells: Sequence[CellAnnotation]) -> tuple[str, ...]:
    if cells:
        return ("background", *sorted({cell.cell_type for cell in cells}))
    return dataset.classes or STANDARD_CLASSES

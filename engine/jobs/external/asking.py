"""The task: send each picture, read the cells, and write them and the sample's state together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from engine.errors import JobCancelledError, LightboxError, NotFoundError
from engine.imaging import pictures
from engine.jobs.external.answers import FoundCell, cells_of
from engine.jobs.external.client import ModelClient
from engine.jobs.external.targets import find_images, find_sample
from engine.jobs.sample_states import mark_sample
from engine.store import now
from engine.store.records import CellAnnotation, CellCoordinates, Image

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.store.records import Sample

__all__ = ["MODEL_USER", "run"]

MODEL_USER: Final = "model:external"
"""Who says so, in annotations that nobody has edited yet."""


def run(context: JobContext) -> str:
    """Ask about everything that the payload names; return the closing sentence.

    Either all cells of all pictures are written and the sample is completed, or none are and it
    is failed with the reason (or waits again, when the job was told to stop).
    """
    client = ModelClient(context.settings, sleep=context.sleep)
    sample = find_sample(context)
    mark_sample(context, sample, "processing", "")
    try:
        images = find_images(context, sample)
        found = [
            (image, _cells(context, client, image, number / len(images)))
            for number, image in enumerate(images)
        ]
        _write(context, sample, found)
    except JobCancelledError:
        mark_sample(context, sample, "pending", "The work on it was stopped.")
        raise
    except LightboxError as error:
        mark_sample(context, sample, "failed", str(error))
        raise
    for image in images:
        context.result("image", image.id, image.name)
    if sample is not None:
        context.result("sample", sample.id, sample.original_filename)
    cells = sum(len(cells) for _, cells in found)
    return f"{_counted(cells, 'cell')} in {_counted(len(found), 'picture')}."


def _cells(
    context: JobContext, client: ModelClient, image: Image, fraction: float
) -> tuple[FoundCell, ...]:
    context.report(fraction, "Asking the external model", f"Picture {image.id}")
    # Picture, PNG and answer are in memory together: about 7 bytes for each pixel.
    megapixels = image.width_px * image.height_px / 1e6
    context.guard_step(7 * megapixels, what=f"a picture of {megapixels:.0f} million pixels")
    picture = pictures.decode(
        context.files.read(image.sha256),
        max_pixels=context.settings.max_megapixels * 1_000_000,
    )
    height, width = picture.shape[:2]
    # Written anew from its pixels: no name, place or date of the original goes out with it.
    answer = client.ask(pictures.encode_png(picture))
    cells = cells_of(answer, width_px=width, height_px=height)
    least = context.payload["threshold"]
    sure = tuple(cell for cell in cells if cell.confidence >= least)
    context.log(f"Picture {image.id}: {len(cells)} cells, {len(sure)} of them at {least:g} or more")
    return sure


def _write(
    context: JobContext, sample: Sample | None, found: list[tuple[Image, tuple[FoundCell, ...]]]
) -> None:
    """Put the cells in place of those that the model found before and nobody has touched."""
    context.report(None, "Writing the cells")
    with context.store.transaction("cell_annotations", "samples") as records:
        annotations = records["cell_annotations"]
        for image, cells in found:
            for old in annotations.where(image_id=image.id, user_id=MODEL_USER, origin="model"):
                annotations.remove(old.id)
            for cell in cells:
                annotations.put(_annotation(image, cell))
        if sample is not None:
            held = records["samples"].get(sample.id)
            if held is None:
                raise NotFoundError(f"Sample {sample.id} was removed in the meantime.")
            records["samples"].put(
                replace(held, inference_status="completed", status_text="", updated_at=now())
            )


def _annotation(image: Image, cell: FoundCell) -> CellAnnotation:
    box = CellCoordinates(x=cell.x, y=cell.y, width=cell.width, height=cell.height)
    return CellAnnotation(
        sample_id=image.sample_id,
        image_id=image.id,
        user_id=MODEL_USER,
        cell_coordinates=box,
        cell_type=cell.cell_type,
        confidence=cell.confidence,
        origin="model",
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"

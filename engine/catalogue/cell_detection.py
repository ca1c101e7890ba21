"""The task: look for cells in the pictures of a sample, or in one picture, and keep them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.catalogue.cell_marks import fresh_annotations
from engine.catalogue.visibility import sees_sample
from engine.cells.detecting import open_detector
from engine.errors import JobCancelledError, LightboxError, NotFoundError, RequestError
from engine.imaging import pictures
from engine.jobs.sample_states import mark_sample
from engine.store import now

if TYPE_CHECKING:
    from engine.cells.detectors import CellDetector
    from engine.cells.results import CellsFound
    from engine.jobs.context import JobContext
    from engine.store.records import Image, Sample

__all__ = ["run"]


def run(context: JobContext) -> str:
    """Find the cells of everything that the payload names; return the closing sentence.

    Either all pictures' cells are written and the sample is completed, or none are and it is
    failed with the reason (or waits again, when the job was told to stop).
    """
    sample = _sample(context)
    mark_sample(context, sample, "processing", "")
    try:
        images = _images(context, sample)
        detector = open_detector(
            context.payload["backend"], context.payload["parameters"], settings=context.settings
        )
        found = [
            (image, _found(context, detector, image, number / len(images)))
            for number, image in enumerate(images)
        ]
        cells = _write(context, sample, found)
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
    return f"{cells:,} cells in {len(images)} pictures, by {detector.name}."


def _sample(context: JobContext) -> Sample | None:
    payload = context.payload
    samples = context.store.samples.read()
    if "sample_id" in payload:
        found = samples.get(payload["sample_id"])
    else:
        image = context.store.images.read()[payload["image_id"]]
        if image.sample_id is None:
            return None
        found = samples.get(image.sample_id)
    if found is None or not sees_sample(context.actor, found):
        raise NotFoundError(
            "There is no such sample for whoever asked; it was removed, or is somebody else's."
        )
    return found


def _images(context: JobContext, sample: Sample | None) -> tuple[Image, ...]:
    stored = context.store.images.read()
    if "image_id" in context.payload:
        return (stored[context.payload["image_id"]],)
    assert sample is not None, "a payload without a picture names a sample"
    if not sample.image_ids:
        raise RequestError(f"Sample {sample.id} has no picture yet; add one, then ask again.")
    return tuple(stored[name] for name in sample.image_ids)


def _found(
    context: JobContext, detector: CellDetector, image: Image, fraction: float
) -> CellsFound:
    context.report(fraction, "Looking for cells", f"Picture {image.id}")
    # The picture, its copy in another size, and the network's maps of one part of it.
    megapixels = image.width_px * image.height_px / 1e6
    context.guard_step(60 + 12 * megapixels, what=f"a picture of {megapixels:.0f} million pixels")
    picture = pictures.decode(
        context.files.read(image.sha256),
        max_pixels=context.settings.max_megapixels * 1_000_000,
    )
    found = detector.detect(picture)
    context.log(f"Picture {image.id}: {len(found.cells)} cells")
    return found


def _write(
    context: JobContext, sample: Sample | None, found: list[tuple[Image, CellsFound]]
) -> int:
    """Put the cells in place of those that nobody has touched, and complete the sample."""
    context.report(None, "Writing the cells")
    count = 0
    with context.store.transaction("cell_annotations", "samples") as records:
        cells = records["cell_annotations"]
        for image, answer in found:
            kept = [one for one in cells.where(image_id=image.id) if one.origin != "model"]
            for old in cells.where(image_id=image.id, origin="model"):
                cells.remove(old.id)
            boxes = [
                ((one.x, one.y, one.width, one.height), one.label, one.confidence)
                for one in answer.cells
            ]
            for made in fresh_annotations(image, context.job.created_by, boxes, kept):
                cells.put(made)
                count += 1
        if sample is not None:
            held = records["samples"].get(sample.id)
            if held is None:
                raise NotFoundError(f"Sample {sample.id} was removed in the meantime.")
            records["samples"].put(
                replace(held, inference_status="completed", status_text="", updated_at=now())
            )
    return count

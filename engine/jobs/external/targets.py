"""What an external model is asked about: the pictures of a sample, one picture, or an S3 object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import NotFoundError, RequestError
from engine.imaging import pictures
from engine.jobs.intake.objects import ObjectName, bring_in
from engine.store import now
from engine.store.records import Image, Sample

if TYPE_CHECKING:
    from engine.jobs.context import JobContext

__all__ = ["find_images", "find_sample"]


def find_sample(context: JobContext) -> Sample | None:
    """Return the sample that the job's payload is about; pictures need not belong to one.

    Raises
    ------
    NotFoundError
        When it names a sample or a picture that is not there.
    """
    payload = context.payload
    samples = context.store.samples.read()
    if "sample_id" in payload:
        return samples[payload["sample_id"]]
    if "image_id" in payload:
        image = context.store.images.read()[payload["image_id"]]
        return samples.get(image.sample_id or "")
    # The older service names the object alone; its sample knows the key.
    named = samples.where(s3_key=ObjectName.parse(payload["object"]).key)
    return named[-1] if named else None


def find_images(context: JobContext, sample: Sample | None) -> tuple[Image, ...]:
    """Return the pictures to be sent; an object is brought in and given a record first.

    Raises
    ------
    NotFoundError
        When a picture or the object is not there.
    PictureError, TooLargeError
        When the object is no picture that we take.
    RequestError
        When the sample has no picture.
    """
    payload = context.payload
    if "object" in payload:
        return (_from_object(context, ObjectName.parse(payload["object"]), sample),)
    stored = context.store.images.read()
    if "image_id" in payload:
        return (stored[payload["image_id"]],)
    assert sample is not None, "a payload without image and object names a sample"
    if not sample.image_ids:
        raise RequestError(f"Sample {sample.id} has no picture yet; add one, then ask again.")
    return tuple(stored[name] for name in sample.image_ids)


def _from_object(context: JobContext, name: ObjectName, sample: Sample | None) -> Image:
    context.report(None, "Fetching the object")
    settings = context.settings
    ref = bring_in(name, settings, context.files, max_bytes=settings.max_upload_mb * 1_000_000)
    for known in context.store.images.read().where(sha256=ref.sha256):
        if known.sample_id == (sample.id if sample else None):  # an earlier attempt's
            return known
    picture = pictures.decode(
        context.files.read(ref.sha256), max_pixels=settings.max_megapixels * 1_000_000
    )
    image = Image(
        name=name.file_name,
        sha256=ref.sha256,
        media_type=ref.media_type,
        size_bytes=ref.size,
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        sample_id=sample.id if sample else None,
        uploader_id=context.job.created_by,
        details={"object": str(name)},
    )
    with context.store.transaction("images", "samples") as records:
        records["images"].put(image)
        held = records["samples"].get(sample.id) if sample else None
        if sample is not None and held is None:
            raise NotFoundError(f"Sample {sample.id} was removed in the meantime.")
        if held is not None:
            records["samples"].put(
                replace(held, image_ids=(*held.image_ids, image.id), updated_at=now())
            )
    return image

"""What an external model is asked about: the pictures of a sample, one picture, or an S3 object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from engine.errors import NotFoundError, RequestError
from engine.imaging import pictures
from engine.jobs.intake.objects import ObjectName, bring_in
from engine.store import now
from engine.store.records import Image, Sample

if TYPE_CHECKING:
    from engine.jobs.context import JobContext

__all__ = ["Target", "find_target"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The pictures to be sent, and the sample that they belong to, if any."""

    images: tuple[Image, ...]
    sample: Sample | None


def find_target(context: JobContext) -> Target:
    """Return what the job's payload names; an object is brought in and given a record first.

    Raises
    ------
    NotFoundError
        When it names something that is not there.
    PictureError, TooLargeError
        When the object is no picture that we take.
    RequestError
        When the sample has no picture.
    """
    payload = context.payload
    if "image_id" in payload:
        image = context.store.images.read()[payload["image_id"]]
        sample = context.store.samples.read().get(image.sample_id or "")
        return Target(images=(image,), sample=sample)
    sample = _sample(context)
    if "object" in payload:
        return _from_object(context, ObjectName.parse(payload["object"]), sample)
    assert sample is not None, "a payload without image and object has a sample"
    stored = context.store.images.read()
    images = tuple(stored[name] for name in sample.image_ids)
    if not images:
        raise RequestError(f"Sample {sample.id} has no picture yet; add one, then ask again.")
    return Target(images=images, sample=sample)


def _sample(context: JobContext) -> Sample | None:
    samples = context.store.samples.read()
    if "sample_id" in context.payload:
        return samples[context.payload["sample_id"]]
    # The older service names the object alone; its sample knows the key.
    named = samples.where(s3_key=ObjectName.parse(context.payload["object"]).key)
    return named[-1] if named else None


def _from_object(context: JobContext, name: ObjectName, sample: Sample | None) -> Target:
    context.report(None, "Fetching the object")
    settings = context.settings
    ref = bring_in(name, settings, context.files, max_bytes=settings.max_upload_mb * 1_000_000)
    for known in context.store.images.read().where(sha256=ref.sha256):
        if known.sample_id == (sample.id if sample else None):  # an earlier attempt's
            return Target(images=(known,), sample=sample)
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
            sample = records["samples"].put(
                replace(held, image_ids=(*held.image_ids, image.id), updated_at=now())
            )
    return Target(images=(image,), sample=sample)

"""Pictures on their way in: stripped of identity, stored, and made samples of a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from engine.errors import InputError, NotFoundError, RequestError, TooLargeError
from engine.store import now
from engine.store.records import Image, Patient, Sample

if TYPE_CHECKING:
    from engine.imaging.pictures import Picture
    from engine.people.actors import Actor
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["Refused", "SentPicture", "Taken", "take_in"]

_THUMBNAIL_PX: Final = 320
_MOST: Final = 200


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SentPicture:
    """A file as it was sent."""

    name: str
    data: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that was not taken, and why."""

    name: str
    why: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of an upload.

    ``removed`` are, by the name of the file, the fields that told who or where and were left out.
    """

    samples: tuple[Sample, ...]
    refused: tuple[Refused, ...] = ()
    removed: tuple[tuple[str, tuple[str, ...]], ...] = ()


def take_in(
    store: Store,
    files: Files,
    settings: Settings,
    *,
    actor: Actor,
    patient: Patient,
    sent: Sequence[SentPicture],
    together: bool = False,
) -> Taken:
    """Store the pictures as samples of ``patient``: one each, or all in one when ``together``.

    A file that cannot be read is refused by itself; the others are taken.

    Raises
    ------
    RequestError
        When there is nothing in the upload, or too much.
    InputError
        When no picture at all could be taken; the sentence is that of the first.
    NotFoundError
        When the patient was removed in the meantime.
    """
    if not 1 <= len(sent) <= _MOST:
        raise RequestError(f"Expected 1 to {_MOST} pictures, but {len(sent)} came.")
    images: list[Image] = []
    refused: list[Refused] = []
    for one in sent:
        try:
            images.append(_stored(files, settings, actor, one))
        except InputError as error:
            refused.append(Refused(name=one.name, why=str(error)))
    if not images:
        raise RequestError(f"No picture could be taken. {refused[0].why}")
    groups = [images] if together else [[image] for image in images]
    samples = tuple(_write(store, actor, patient, group) for group in groups)
    removed = tuple(
        (image.name, tuple(image.details["removed"]))
        for image in images
        if image.details["removed"]
    )
    return Taken(samples=samples, refused=tuple(refused), removed=removed)


def _stored(files: Files, settings: Settings, actor: Actor, sent: SentPicture) -> Image:
    from engine.imaging.identity import strip_identity
    from engine.imaging.pictures import encode_jpeg

    if len(sent.data) > settings.max_upload_mb * 1_000_000:
        raise TooLargeError(
            f"The picture has {len(sent.data) / 1e6:.1f} MB, but at most "
            f"{settings.max_upload_mb} MB are taken; save it as JPEG, or make it smaller."
        )
    stripped = strip_identity(sent.data, max_pixels=settings.max_megapixels * 1_000_000)
    kept = files.put(stripped.data, media_type=stripped.media_type)
    small = files.put(encode_jpeg(_small(stripped.picture), 85), media_type="image/jpeg")
    height, width = stripped.picture.shape[:2]
    return Image(
        name=_plain_name(sent.name),
        sha256=kept.sha256,
        media_type=kept.media_type,
        size_bytes=kept.size,
        width_px=width,
        height_px=height,
        thumbnail_sha256=small.sha256,
        uploader_id=actor.id,
        details={"removed": list(stripped.removed)},
    )


def _small(picture: Picture) -> Picture:
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    scale = min(1.0, _THUMBNAIL_PX / width, 2 * _THUMBNAIL_PX / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale == 1:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _plain_name(name: str) -> str:
    """Return the last part of a path as text for one line."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:200] or "picture"


def _write(store: Store, actor: Actor, patient: Patient, images: Sequence[Image]) -> Sample:
    """Put a sample and its pictures into the store, all or nothing."""
    sample = Sample(
        patient_id=patient.id,
        uploader_id=actor.id,
        original_filename=images[0].name,
        image_ids=tuple(image.id for image in images),
    )
    with store.transaction("images", "patients", "samples") as records:
        if patient.id not in records["patients"].lines:
            raise NotFoundError("The patient was removed in the meantime; nothing was stored.")
        for image in images:
            records["images"].put(replace(image, sample_id=sample.id, group=patient.id))
        kept: Sample = records["samples"].put(replace(sample, updated_at=now()))
    return kept

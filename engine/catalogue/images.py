"""Pictures and masks as programs send and fetch them, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from engine.catalogue.datasets import STANDARD_CLASSES
from engine.catalogue.second_readings import require_sighted
from engine.catalogue.visibility import require_sample
from engine.errors import NotFoundError, PictureError, RequestError
from engine.people.permissions import require
from engine.store import new_id, now
from engine.store.records import Dataset, Image, Mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["Images"]

_NAME: Final = "Sent by programs"


@final
class Images:
    """The pictures of one home; each method requires its action of whoever asks."""

    def __init__(self, store: Store, files: Files, audit: AuditLog) -> None:
        self._store, self._files, self._audit = store, files, audit

    def list(self, actor: Actor, *, dataset_id: str = "") -> tuple[Image, ...]:
        """Return the pictures of all datasets, or of one, the newest first.

        Pictures of patients' samples are not among them.
        """
        require(actor, "datasets.view")
        images = self._store.images.read()
        if dataset_id:
            self._store.datasets.read()[dataset_id]
            found = [*images.where(dataset_id=dataset_id)]
        else:
            found = [image for image in images if image.dataset_id]
        found.sort(key=lambda image: (image.created_at, image.id), reverse=True)
        return tuple(found)

    def get(self, actor: Actor, image_id: str) -> Image:
        """Return one picture; :class:`NotFoundError` when there is none for this actor."""
        require(actor, "datasets.view")
        image = self._store.images.read().get(image_id)
        if image is None:
            raise NotFoundError(
                f"There is no picture {image_id[:80]!r}; it was removed, or the address is wrong. "
                "GET /images/ lists those that there are."
            )
        if image.sample_id:
            require_sample(self._store, actor, image.sample_id)
        return image

    def add(
        self, actor: Actor, sent: Sequence[tuple[str, bytes]], *, dataset_id: str = ""
    ) -> tuple[Image, ...]:
        """Store pictures, all or none, in a dataset; without one in a dataset for such pictures.

        What tells who or where in their files is left out; ``details["removed"]`` lists it.

        Raises
        ------
        RequestError
            When nothing was sent, or the dataset's import is not done.
        PictureError, TooLargeError
            When one of them is no picture.
        """
        require(actor, "datasets.add")
        if not sent:
            raise RequestError("Expected a picture in the part 'file', but none came; send one.")
        made = [self._taken(actor, name, data) for name, data in sent]
        with self._store.transaction("datasets", "images") as changes:
            if dataset_id:
                dataset = changes["datasets"][dataset_id]
            else:
                named = changes["datasets"].where(name=_NAME)
                dataset = named[0] if named else Dataset(name=_NAME, created_by=actor.id)
            if dataset.status == "importing":
                raise RequestError("This dataset is being imported; send pictures when it is done.")
            images = tuple(replace(image, dataset_id=dataset.id) for image in made)
            for image in images:
                changes["images"].put(image)
            changes["datasets"].put(
                replace(
                    dataset,
                    status="ready",
                    file_count=dataset.file_count + len(images),
                    total_bytes=dataset.total_bytes + sum(image.size_bytes for image in images),
                    updated_at=now(),
                )
            )
        text = f"Sent {len(images)} pictures"
        self._audit.write(actor, "datasets.add", record=f"datasets/{dataset.id}", text=text)
        return images

    def masks(self, actor: Actor, image_id: str) -> tuple[Mask, ...]:
        """Return the revisions of a picture's mask, the newest first."""
        require(actor, "masks.view")
        image = self.get(actor, image_id)
        require_sighted(self._store.images.read(), image, actor)
        found = self._store.masks.read().where(image_id=image.id)
        return tuple(sorted(found, key=lambda mask: mask.revision, reverse=True))

    def add_mask(self, actor: Actor, image_id: str, data: bytes, *, comment: str = "") -> Mask:
        """Store a mask as the next revision: a grey PNG of the picture's size.

        Its samples are the numbers of the dataset's classes (0 background, 1 unhealthy,
        2 healthy where it names none), and 255 where nobody has looked.

        Raises
        ------
        PictureError
            When it has another size, or other values.
        """
        require(actor, "masks.draw")
        image = self.get(actor, image_id)
        classes = self._classes(image)
        mask = _checked(data, image, len(classes))
        from engine.imaging import masks

        kept = self._files.put(masks.encode(mask, classes=len(classes)), media_type="image/png")
        counts = _counts(mask, classes)
        with self._store.transaction("images", "masks") as changes:
            last = max(
                changes["masks"].where(image_id=image.id),
                key=lambda one: int(one.revision),
                default=None,
            )
            made = Mask(
                id=new_id(),
                image_id=image.id,
                sha256=kept.sha256,
                revision=1 if last is None else last.revision + 1,
                author=actor.id,
                parent=None if last is None else last.id,
                state="submitted",
                comment=comment.strip()[:2000],
                counts=counts,
            )
            changes["masks"].put(made)
            present = changes["images"][image.id]
            changes["images"].put(replace(present, status="to_review", updated_at=now()))
        text = f"Sent revision {made.revision} of a mask"
        self._audit.write(actor, "masks.draw", record=f"images/{image.id}", text=text)
        return made

    def _classes(self, image: Image) -> tuple[str, ...]:
        dataset = self._store.datasets.read().get(image.dataset_id or "")
        return (dataset.classes if dataset else ()) or STANDARD_CLASSES

    def _taken(self, actor: Actor, name: str, data: bytes) -> Image:
        from engine.datasets.checks import perceptual_hash
        from engine.datasets.taking import take_picture, thumbnail

        taken = take_picture(data)
        stored = self._files.put(taken.data, media_type=taken.media_type)
        small = self._files.put(thumbnail(taken.picture), media_type="image/jpeg")
        return Image(
            name=name.replace("\\", "/").rpartition("/")[2][:200] or "picture",
            sha256=stored.sha256,
            media_type=stored.media_type,
            size_bytes=stored.size,
            width_px=taken.width_px,
            height_px=taken.height_px,
            channels=taken.channels,
            bits=taken.bits,
            pixel_size_um=taken.pixel_size_um,
            thumbnail_sha256=small.sha256,
            perceptual_hash=perceptual_hash(taken.picture),
            uploader_id=actor.id,
            details={"removed": list(taken.removed)} if taken.removed else {},
        )


def _checked(data: bytes, image: Image, classes: int) -> NDArray[np.uint8]:
    from engine.imaging import masks
    from engine.imaging.headers import read_header

    header = read_header(data)
    if (header.width, header.height) != (image.width_px, image.height_px):
        raise PictureError(
            f"Mask is {header.width}×{header.height} but its picture is "
            f"{image.width_px}×{image.height_px}; export the mask at the picture's size."
        )
    return masks.decode(data, classes=classes)


def _counts(mask: NDArray[np.uint8], classes: tuple[str, ...]) -> dict[str, int]:
    import numpy as np

    found = np.bincount(mask.ravel(), minlength=256)
    counts = {name: int(found[value]) for value, name in enumerate(classes)}
    return {**counts, "not_annotated": int(found[255])}

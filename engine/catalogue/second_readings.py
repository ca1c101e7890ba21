"""Second readings: another person marks the same picture without seeing the first mask.

The reader gets a picture record of their own with the same file, belonging to no dataset, so that
they start from nothing and no export counts it twice. When both are sent, a third person compares
them and decides; their decision becomes a revision of the first picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, final

from engine.catalogue.review_pictures import picture_with, read_mask
from engine.errors import NotAllowedError, RequestError
from engine.people.actors import VISITOR
from engine.people.permissions import ACTIONS, require
from engine.store import now
from engine.store.records import Image, Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from engine.annotation.agreement import Agreement
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = [
    "SECOND_OF",
    "Choice",
    "Reader",
    "SecondReading",
    "SecondReadings",
    "require_sighted",
    "second_of",
    "seen_thumbnail",
    "sent_mask",
]

SECOND_OF: Final = "second_reading_of"
"""Detail of a reader's picture: the id of the picture that it is of."""

_SECOND: Final = "second_reading"
_STANDARD: Final = ("background", "unhealthy", "healthy")

Choice = Literal["first", "second", "agreed"]
"""Which mask counts: one of the two, or only what both say, and nothing where they differ."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who may read a picture."""

    id: str
    name: str


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondReading:
    """Two masks of one picture, sent by two people, and how far they agree."""

    image: Image
    first: Mask
    second: Mask
    first_pixels: NDArray[np.uint8]
    second_pixels: NDArray[np.uint8]
    agreement: Agreement
    classes: tuple[str, ...]


@final
class SecondReadings:
    """Asking for second readings, comparing and adjudicating."""

    def __init__(self, store: Store, files: Files, audit: AuditLog) -> None:
        self._store, self._files, self._audit = store, files, audit

    def readers(self, actor: Actor, image_id: str) -> tuple[Reader, ...]:
        """Return who may read a picture a second time: who draws, except its author."""
        require(actor, "masks.review")
        mask = self._sent(image_id)
        roles = ACTIONS["masks.draw"].roles
        found = [
            Reader(id=user.id, name=user.name)
            for user in self._store.users.read()
            if user.role in roles and not user.disabled and not user.waiting
        ]
        if actor.id == VISITOR.id:  # a server without sign-in has one person
            found = [Reader(id=VISITOR.id, name=VISITOR.name)]
        return tuple(
            sorted(
                (one for one in found if one.id != mask.author or one.id == VISITOR.id),
                key=lambda one: one.name.casefold(),
            )
        )

    def ask(self, actor: Actor, image_id: str, reader_id: str) -> Image:
        """Ask somebody for a second reading; return the reader's picture.

        Raises
        ------
        RequestError
            When the picture waits for no review, belongs to a sample, has a second reading
            already, or the reader drew the first mask or may not draw.
        """
        if reader_id not in {reader.id for reader in self.readers(actor, image_id)}:
            raise RequestError(
                "A second reader is another person than who drew the first mask, and may draw."
            )
        with self._store.images.transaction() as images:
            image: Image = images[image_id]
            if image.sample_id or SECOND_OF in image.details:
                raise RequestError("Second readings are made of pictures of datasets.")
            if _SECOND in image.details:
                raise RequestError("A second reading of this picture is open already.")
            classes = list(self.classes(image))
            made = Image(
                name=image.name,
                sha256=image.sha256,
                media_type=image.media_type,
                size_bytes=image.size_bytes,
                width_px=image.width_px,
                height_px=image.height_px,
                channels=image.channels,
                bits=image.bits,
                pixel_size_um=image.pixel_size_um,
                assigned_to=reader_id,
                uploader_id=image.uploader_id,
                details={SECOND_OF: image.id, "classes": classes},
            )
            images.put(made)
            details = {**image.details, _SECOND: made.id}
            images.put(replace(image, details=details, updated_at=now()))
        self._note(actor, image_id, "Asked for a second reading")
        return made

    def withdraw(self, actor: Actor, image_id: str) -> None:
        """End a second reading without a decision; what was drawn for it goes.

        Raises
        ------
        RequestError
            When there is none.
        """
        require(actor, "masks.review")
        with self._store.transaction("images", "masks") as changes:
            image: Image = changes["images"][image_id]
            other = str(image.details.get(_SECOND, ""))
            if not other:
                raise RequestError("This picture has no second reading.")
            for mask in changes["masks"].where(image_id=other):
                changes["masks"].remove(mask.id)
            changes["images"].remove(other)
            changes["images"].put(replace(image, details=_without(image), updated_at=now()))
        self._note(actor, image_id, "Withdrew a second reading")

    def require_sighted(self, actor: Actor, image_id: str) -> None:
        """Return when ``actor`` may see the mask of a picture.

        Raises
        ------
        NotAllowedError
            When they are its second reader and have not sent theirs yet.
        """
        images = self._store.images.read()
        image = images.get(image_id)
        if image is not None:
            require_sighted(images, image, actor)

    def compare(self, actor: Actor, image_id: str) -> SecondReading:
        """Return both masks and their agreement.

        Raises
        ------
        RequestError
            When not both are sent.
        NotAllowedError
            As :meth:`require_sighted`.
        """
        from engine.annotation.agreement import compare

        require(actor, "masks.review")
        self.require_sighted(actor, image_id)
        image: Image = self._store.images.read()[image_id]
        other = second_of(self._store.images.read(), image)
        if other is None or other.status != "to_review":
            raise RequestError("The second reading is not sent yet; there is nothing to compare.")
        first, second = self._sent(image.id), self._sent(other.id)
        one, two = (read_mask(self._files, mask) for mask in (first, second))
        classes = self.classes(image)
        return SecondReading(
            image=image,
            first=first,
            second=second,
            first_pixels=one,
            second_pixels=two,
            agreement=compare(one, two, classes),
            classes=classes,
        )

    def pictures(
        self, found: SecondReading, colours: Mapping[int, tuple[int, int, int]], *, width: int = 420
    ) -> tuple[bytes, bytes, bytes]:
        """Return JPEGs of the first, of the second, and of where they differ (white)."""
        import numpy as np

        from engine.annotation.agreement import difference

        differs = np.where(
            difference(found.first_pixels, found.second_pixels), np.uint8(1), np.uint8(0)
        )
        views = (
            (found.first_pixels, colours),
            (found.second_pixels, colours),
            (differs, {1: (255, 255, 255)}),
        )
        first, second, apart = (
            picture_with(self._files, found.image, mask, shown, width=width)
            for mask, shown in views
        )
        return first, second, apart

    def adjudicate(self, actor: Actor, image_id: str, choice: Choice, *, comment: str = "") -> Mask:
        """Decide between two readings; what is chosen is the approved revision.

        The files of both masks, who read, Dice and kappa are kept with the decision.

        Raises
        ------
        NotAllowedError
            When the actor is one of the two readers and no administrator.
        RequestError
            When not both are sent.
        """
        import numpy as np

        from engine.imaging import masks
        from engine.imaging.masks import NOT_ANNOTATED

        found = self.compare(actor, image_id)
        self._require_third(actor, found)
        chosen = {
            "first": found.first_pixels,
            "second": found.second_pixels,
            "agreed": np.where(
                found.first_pixels == found.second_pixels,
                found.first_pixels,
                np.uint8(NOT_ANNOTATED),
            ),
        }[choice]
        kept = self._files.put(masks.encode(chosen, classes=255), media_type="image/png")
        details: dict[str, Any] = {
            "adjudicated": choice,
            "reviewed_by": actor.id,
            "reviewed_at": now().isoformat(),
            "review_comment": comment.strip()[:2000],
            "readers": [found.first.author, found.second.author],
            "masks": [found.first.sha256, found.second.sha256],
            "dice": dict(found.agreement.dice),
            "kappa": found.agreement.kappa,
        }
        with self._store.transaction("images", "masks") as changes:
            image: Image = changes["images"][image_id]
            revisions = changes["masks"].where(image_id=image_id)
            sent = sent_mask(revisions)
            is_same = sent is not None and sent.id == found.first.id
            if not is_same or str(image.details.get(_SECOND)) != found.second.image_id:
                raise RequestError("Something was sent since; look at the comparison again.")
            if choice == "first":
                decided: Mask = replace(
                    found.first, state="approved", details={**found.first.details, **details}
                )
            else:
                changes["masks"].put(replace(found.first, state="sent_back"))
                decided = Mask(
                    image_id=image_id,
                    sha256=kept.sha256,
                    revision=max(mask.revision for mask in revisions) + 1,
                    author=found.second.author if choice == "second" else actor.id,
                    parent=found.first.id,
                    origin="edited",
                    state="approved",
                    counts=_counts(chosen, found.classes),
                    details=details,
                )
            decided = changes["masks"].put(decided)
            done = replace(image, status="approved", details=_without(image), updated_at=now())
            changes["images"].put(done)
            for mask in changes["masks"].where(image_id=found.second.image_id):
                changes["masks"].remove(mask.id)
            changes["images"].remove(found.second.image_id)
        self._note(actor, image_id, f"Decided between two readings: {choice}")
        return decided

    def classes(self, image: Image) -> tuple[str, ...]:
        """Return the names of the classes of a picture."""
        dataset = self._store.datasets.read().get(image.dataset_id or "")
        return (dataset.classes if dataset else ()) or _STANDARD

    def _require_third(self, actor: Actor, found: SecondReading) -> None:
        if actor.role == "ADMIN":
            return
        if actor.id in (found.first.author, found.second.author):
            raise NotAllowedError(
                "You are one of the two readers; a third person or an administrator decides."
            )

    def _sent(self, image_id: str) -> Mask:
        sent = sent_mask(self._store.masks.read().where(image_id=image_id))
        if sent is None:
            raise RequestError("No mask of this picture waits for review; send one first.")
        return sent

    def _note(self, actor: Actor, image_id: str, text: str) -> None:
        self._audit.write(actor, "masks.review", record=f"images/{image_id}", text=text)


def sent_mask(revisions: Iterable[Mask]) -> Mask | None:
    """Return the newest revision that is no draft, if it waits for review; else ``None``."""
    sent = [mask for mask in revisions if mask.state != "draft"]
    newest = max(sent, key=lambda mask: mask.revision, default=None)
    return newest if newest is not None and newest.state == "submitted" else None


def second_of(images: Any, image: Image) -> Image | None:  # noqa: ANN401 – a snapshot or a transaction
    """Return the reader's picture of an open second reading of ``image``, ``None`` for none."""
    found: Image | None = images.get(str(image.details.get(_SECOND, "")))
    return found


def require_sighted(images: Any, image: Image, actor: Actor) -> None:  # noqa: ANN401 – as above
    """Return when ``actor`` may see the mask of ``image``; see :class:`SecondReadings`."""
    if _blinded_reading(images, image, actor) is not None:
        raise NotAllowedError(
            "You read this picture a second time, so the first mask stays hidden from you until "
            "you have sent yours for review."
        )


def seen_thumbnail(store: Store, files: Files, actor: Actor, image: Image) -> bytes:
    """Return the small JPEG of a picture that ``actor`` may see.

    That of an imported picture shows the outline of its mask; a reader who must not see the mask
    gets one without.
    """
    from engine.catalogue.picture_records import thumbnail

    images = store.images.read()
    first = images.get(str(image.details.get(SECOND_OF, "")))
    reading = image if first is not None else _blinded_reading(images, image, actor)
    if reading is None:
        return thumbnail(store, files, image)
    if reading.thumbnail_sha256 == (first or image).thumbnail_sha256:
        reading = replace(reading, thumbnail_sha256=None)  # it was made with the outline
    return thumbnail(store, files, reading)


def _blinded_reading(images: Any, image: Image, actor: Actor) -> Image | None:  # noqa: ANN401 – as above
    """Return the open reading of ``image`` for which ``actor`` must not see its mask."""
    other = second_of(images, image)
    if other is None or actor.id == VISITOR.id:
        return None
    is_open = other.assigned_to == actor.id and other.status != "to_review"
    return other if is_open else None


def _without(image: Image) -> dict[str, Any]:
    return {name: value for name, value in image.details.items() if name != _SECOND}


def _counts(mask: NDArray[np.uint8], classes: tuple[str, ...]) -> dict[str, int]:
    import numpy as np

    found = np.bincount(mask.ravel(), minlength=256)
    names = dict(enumerate(classes)) | {255: "not_annotated"}
    return {name: int(found[value]) for value, name in names.items()}

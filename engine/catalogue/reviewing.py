"""From a drawn mask to one that counts: queues, approving, sending back, second readings.

A picture waits for review when somebody sent a revision of its mask. A reviewer approves it or
sends it back with a comment; nobody but an administrator decides about what they drew themselves.
Second readings are in :mod:`engine.catalogue.second_readings`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, final

from engine.catalogue.paging import Page, page_of
from engine.catalogue.review_pictures import picture_with, read_mask
from engine.catalogue.second_readings import SECOND_OF, SecondReadings, second_of, sent_mask
from engine.catalogue.visibility import visible_images
from engine.errors import BusyError, NotAllowedError, NotFoundError, RequestError
from engine.people.actors import VISITOR
from engine.people.permissions import require
from engine.store import now
from engine.store.records import Image, Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["QUEUES", "Look", "QueueName", "Reviewing", "Waiting", "require_other"]

QueueName = Literal["mine", "unassigned", "to_review"]
"""``mine``: given to me and not done; ``unassigned``: nobody's yet; ``to_review``: sent by whoever
drew it."""

QUEUES: Final[tuple[QueueName, ...]] = ("mine", "unassigned", "to_review")

PAGE: Final = 12
_OPEN: Final = ("new", "in_progress", "sent_back")
_LONGEST: Final = 2000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A picture of a queue. ``mask`` is what was sent last, or what counts otherwise.

    ``doubt`` in 0..1 says how uncertain the proposal was that the mask came from, ``None`` where
    nobody measured it. ``second`` is the state of a second reading: none, asked for, or ready to
    be compared; ``is_second`` marks the reader's own picture.
    """

    image: Image
    mask: Mask | None
    doubt: float | None
    second: Literal["", "asked", "ready"]
    is_second: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a reviewer looks at: two JPEGs, warnings, and each class's part of what is annotated."""

    plain: bytes
    marked: bytes
    warnings: tuple[str, ...]
    shares: dict[str, float]


@final
class Reviewing:
    """What waits to be drawn and to be looked at; each method requires its action."""

    def __init__(self, store: Store, files: Files, audit: AuditLog) -> None:
        self._store, self._files, self._audit = store, files, audit
        self.second_readings = SecondReadings(store, files, audit)

    # --- queues --------------------------------------------------------------------------------

    def queue(
        self, actor: Actor, which: QueueName, *, page: int = 1, size: int = PAGE
    ) -> Page[Waiting]:
        """Return one page of a queue: the least certain first, then those that waited longest."""
        require(actor, "masks.draw")
        found = [self._waiting(image) for image in self._of_queue(actor, which)]
        found.sort(key=_urgency)
        return page_of(found, page=page, size=size)

    def lengths(self, actor: Actor) -> dict[QueueName, int]:
        """Return how many pictures each queue has."""
        require(actor, "masks.draw")
        return {name: len(self._of_queue(actor, name)) for name in QUEUES}

    def waiting(self, actor: Actor, image_id: str) -> Waiting:
        """Return one picture with its state.

        Raises
        ------
        NotFoundError
            When there is none, or none for this actor.
        """
        require(actor, "masks.draw")
        image = self._store.images.read().get(image_id)
        if image is None or not self._visible(actor, [image]):
            raise NotFoundError(
                f"There is no picture {image_id[:80]!r}; it was removed. Choose one from the list."
            )
        return self._waiting(image)

    def look(
        self,
        actor: Actor,
        image_id: str,
        *,
        colours: Mapping[int, tuple[int, int, int]],
        width: int = 560,
    ) -> Look:
        """Return the picture, with its mask over it, and what looks wrong in the mask.

        Raises
        ------
        NotAllowedError
            When the actor is its second reader and has not sent theirs yet.
        """
        from engine.annotation.validating import validate

        waiting = self.waiting(actor, image_id)
        self.second_readings.require_sighted(actor, image_id)
        image, mask = waiting.image, waiting.mask
        classes = self.second_readings.classes(image)
        pixels = None if mask is None else read_mask(self._files, mask)
        shape = (image.height_px, image.width_px)
        warned = () if pixels is None else validate(pixels, shape, names=classes)
        return Look(
            plain=picture_with(self._files, image, None, colours, width=width),
            marked=picture_with(self._files, image, pixels, colours, width=width),
            warnings=tuple(one.sentence for one in warned),
            shares=_shares(pixels, classes),
        )

    # --- who draws -----------------------------------------------------------------------------

    def take(self, actor: Actor, image_id: str) -> Image:
        """Take a picture that is nobody's, to draw on it.

        Raises
        ------
        BusyError
            When somebody else has taken it in the meantime.
        """
        require(actor, "masks.draw")
        self.waiting(actor, image_id)
        with self._store.images.transaction() as images:
            image = images[image_id]
            if image.assigned_to not in (None, actor.id):
                raise BusyError("Somebody else has taken this picture; choose another one.")
            taken = images.put(replace(image, assigned_to=actor.id, updated_at=now()))
        self._note(actor, "masks.draw", f"images/{image_id}", "Took a picture to annotate")
        return taken

    def put_back(self, actor: Actor, image_id: str) -> Image:
        """Give a picture back that one has taken; what is drawn stays.

        Raises
        ------
        NotAllowedError
            When it is another person's and the actor is no reviewer.
        RequestError
            When it is a second reading, which somebody asked for.
        """
        require(actor, "masks.draw")
        self.waiting(actor, image_id)
        with self._store.images.transaction() as images:
            image = images[image_id]
            if image.assigned_to != actor.id:
                require(actor, "masks.review")
            if SECOND_OF in image.details:
                raise RequestError("A second reading is withdrawn by who asked for it.")
            freed = images.put(replace(image, assigned_to=None, updated_at=now()))
        self._note(actor, "masks.draw", f"images/{image_id}", "Put a picture back")
        return freed

    # --- deciding ------------------------------------------------------------------------------

    def approve(self, actor: Actor, mask_id: str, *, comment: str = "") -> Mask:
        """Make a sent revision the one that counts.

        Raises
        ------
        RequestError
            When it is not waiting for review, a newer one is, or a second reading is open.
        NotAllowedError
            When the actor drew it and is no administrator.
        """
        return self._decide(actor, mask_id, approved=True, comment=_text(comment))

    def send_back(self, actor: Actor, mask_id: str, *, comment: str) -> Mask:
        """Give a sent revision back to whoever drew it, with a comment.

        Raises
        ------
        RequestError
            When there is no comment, and as :meth:`approve`.
        NotAllowedError
            As :meth:`approve`.
        """
        text = _text(comment)
        if not text:
            raise RequestError("Say what should be changed: a mask is sent back with a comment.")
        return self._decide(actor, mask_id, approved=False, comment=text)

    def _decide(self, actor: Actor, mask_id: str, *, approved: bool, comment: str) -> Mask:
        require(actor, "masks.review")
        named = self._store.masks.read().get(mask_id)
        if named is not None:
            self.waiting(actor, named.image_id)  # there for this actor
        state: Literal["approved", "sent_back"] = "approved" if approved else "sent_back"
        with self._store.transaction("masks", "images") as changes:
            mask: Mask = changes["masks"][mask_id]
            image: Image = changes["images"][mask.image_id]
            newest = sent_mask(changes["masks"].where(image_id=image.id))
            _require_waiting(image, mask, newest)
            require_other(actor, mask)
            details = {
                **mask.details,
                "reviewed_by": actor.id,
                "reviewed_at": now().isoformat(),
                "review_comment": comment,
            }
            decided: Mask = changes["masks"].put(replace(mask, state=state, details=details))
            given_to = image.assigned_to or (mask.author if not approved else None) or None
            changes["images"].put(
                replace(image, status=state, assigned_to=given_to, updated_at=now())
            )
        done = "Approved" if approved else "Sent back"
        self._note(
            actor, "masks.review", f"masks/{mask_id}", f"{done} revision {mask.revision} of a mask"
        )
        return decided

    # --- inside --------------------------------------------------------------------------------

    def _of_queue(self, actor: Actor, which: QueueName) -> list[Image]:
        images = self._store.images.read()
        if which == "mine":
            chosen = images.where(assigned_to=actor.id)
        elif which == "unassigned":
            chosen = images.where(assigned_to=None)
        else:
            chosen = (*images.where(status="to_review"), *images.where(status="new"))
        return [
            image
            for image in self._visible(actor, chosen)
            if self._belongs(image, which)
            and (SECOND_OF not in image.details or self._lives(image))
        ]

    def _belongs(self, image: Image, which: QueueName) -> bool:
        """Whether a picture is in its queue; imported with a mask it waits, though it is new."""
        is_sent = image.status == "new" and self._is_sent(image)
        if which == "to_review":
            return SECOND_OF not in image.details and (is_sent or image.status == "to_review")
        return image.status in _OPEN and not is_sent

    def _is_sent(self, image: Image) -> bool:
        return sent_mask(self._store.masks.read().where(image_id=image.id)) is not None

    def _waiting(self, image: Image) -> Waiting:
        from engine.catalogue.picture_records import chosen_mask

        masks = self._store.masks.read()
        mask = sent_mask(masks.where(image_id=image.id)) or chosen_mask(masks, image.id)
        other = second_of(self._store.images.read(), image)
        ready = other is not None and other.status == "to_review"
        return Waiting(
            image=image,
            mask=mask,
            doubt=self._doubt(image, mask),
            second="" if other is None else "ready" if ready else "asked",
            is_second=SECOND_OF in image.details,
        )

    def _doubt(self, image: Image, mask: Mask | None) -> float | None:
        """Return how uncertain the mask is, or what a model said of a picture without one."""
        found = _doubt(image, mask)
        if found is None and mask is None:
            answers = self._store.predictions.read().where(image_id=image.id)
            told = [one for one in answers if one.status == "completed" and one.uncertainty_sha256]
            newest = max(told, key=lambda one: one.created_at, default=None)
            found = None if newest is None else newest.doubt
        return found

    def _visible(self, actor: Actor, images: Iterable[Image]) -> list[Image]:
        return visible_images(self._store, actor, images)

    def _lives(self, second: Image) -> bool:
        return str(second.details[SECOND_OF]) in self._store.images.read()

    def _note(self, actor: Actor, action: str, record: str, text: str) -> None:
        self._audit.write(actor, action, record=record, text=text)


def _shares(pixels: NDArray[np.uint8] | None, classes: tuple[str, ...]) -> dict[str, float]:
    import numpy as np

    if pixels is None:
        return {}
    found = np.bincount(pixels.ravel(), minlength=256)[: len(classes)]
    return {name: float(found[value] / max(1, found.sum())) for value, name in enumerate(classes)}


def require_other(actor: Actor, mask: Mask) -> None:
    """Return when ``actor`` may decide about ``mask``: it is somebody else's.

    Administrators decide about their own too, and so does the visitor of an open server.
    """
    if mask.author == actor.id and actor.role != "ADMIN" and actor.id != VISITOR.id:
        raise NotAllowedError(
            "You drew this mask yourself; another reviewer or an administrator decides about it."
        )


def _require_waiting(image: Image, mask: Mask, newest: Mask | None) -> None:
    if SECOND_OF in image.details:
        raise RequestError(
            "This is a second reading; it is compared with the first, on the first one's page."
        )
    if mask.state != "submitted" or newest is None:
        raise RequestError("This revision does not wait for review; somebody has decided already.")
    if image.status not in ("new", "to_review"):  # "new": imported together with its mask
        raise RequestError("Somebody draws on this picture again; wait until it is sent anew.")
    if newest.id != mask.id:
        raise RequestError(
            f"Revision {newest.revision} was sent since; look at that one and decide about it."
        )
    if "second_reading" in image.details:
        raise RequestError(
            "A second reading of this picture is open; compare the two, or withdraw it first."
        )


def _doubt(image: Image, mask: Mask | None) -> float | None:
    for details in (mask.details if mask is not None else {}, image.details):
        value = details.get("uncertainty")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return min(1.0, max(0.0, float(value)))
    return None


def _urgency(waiting: Waiting) -> tuple[float, float, str]:
    unknown = -1.0 if waiting.doubt is None else waiting.doubt
    return -unknown, waiting.image.updated_at.timestamp(), waiting.image.id


def _text(comment: str) -> str:
    if len(comment) > _LONGEST or "\x00" in comment:
        raise RequestError(f"A comment has at most {_LONGEST} characters.")
    return comment.strip()

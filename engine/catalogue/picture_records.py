"""What belongs to pictures: the mask that counts, the small picture of a list, what goes with them.

Knows records and files, not who asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from engine.store import now
from engine.store.records import CellAnnotation, Image, Mask, Prediction

if TYPE_CHECKING:
    from engine.store import Store
    from engine.store.files import Files
    from engine.store.snapshots import Snapshot

__all__ = ["Belongings", "belongings", "chosen_mask", "chosen_masks", "thumbnail"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """Pictures with everything that is about them and nothing else."""

    images: tuple[Image, ...]
    masks: tuple[Mask, ...]
    cells: tuple[CellAnnotation, ...]
    predictions: tuple[Prediction, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of the pictures' files."""
        return sum(image.size_bytes for image in self.images)


def belongings(store: Store, images: Iterable[Image]) -> Belongings:
    """Return masks, cells and models' answers of ``images``."""
    records = store.read("masks", "cell_annotations", "predictions")
    wanted = tuple(images)
    return Belongings(
        images=wanted,
        masks=tuple(m for i in wanted for m in records["masks"].where(image_id=i.id)),
        cells=tuple(c for i in wanted for c in records["cell_annotations"].where(image_id=i.id)),
        predictions=tuple(p for i in wanted for p in records["predictions"].where(image_id=i.id)),
    )


def chosen_mask(masks: Snapshot[Mask], image_id: str) -> Mask | None:
    """Return the mask that counts: the newest approved one, else the newest that is no draft.

    A draft counts where there is nothing else; ``None`` where nobody drew.
    """
    revisions = masks.where(image_id=image_id)
    return max(revisions, key=_worth) if revisions else None


def chosen_masks(store: Store, images: Iterable[Image]) -> dict[str, Mask]:
    """Return the mask that counts of each picture that has one, by the picture's id."""
    masks = store.masks.read()
    found = ((image.id, chosen_mask(masks, image.id)) for image in images)
    return {name: mask for name, mask in found if mask is not None}


def thumbnail(store: Store, files: Files, image: Image) -> bytes:
    """Return a small JPEG of a picture; it is made and kept when there is none yet.

    Raises
    ------
    NotFoundError, DamagedFileError
        When the picture's file is missing or damaged.
    PictureError
        When it cannot be read as a picture.
    """
    if image.thumbnail_sha256 and files.exists(image.thumbnail_sha256):
        return files.read(image.thumbnail_sha256)
    from engine.datasets.checks import perceptual_hash
    from engine.datasets.taking import thumbnail as small
    from engine.imaging import pictures

    picture = pictures.decode(files.read(image.sha256))
    data = small(picture)
    kept = files.put(data, media_type="image/jpeg")
    with store.images.transaction() as images:
        present = images.get(image.id)
        if present is not None:
            hashed = present.perceptual_hash or perceptual_hash(picture)
            images.put(
                replace(
                    present,
                    thumbnail_sha256=kept.sha256,
                    perceptual_hash=hashed,
                    updated_at=now(),
                )
            )
    return data


def _worth(mask: Mask) -> tuple[bool, bool, int]:
    return mask.state == "approved", mask.state != "draft", mask.revision

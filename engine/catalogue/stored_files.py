"""Who may open a stored file: whoever sees a record that names it. Knowing a hash is not enough.

A file that several records name may be opened through any of them. Administrators may open every
file, also one that no record names yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.catalogue.second_readings import require_sighted
from engine.catalogue.visibility import visible_images
from engine.errors import NotAllowedError, NotFoundError
from engine.people.permissions import allowed, require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.people.actors import Actor
    from engine.store import Store
    from engine.store.records import Image

__all__ = ["require_file", "sees_file"]


def require_file(store: Store, actor: Actor, sha256: str) -> None:
    """Return when ``actor`` may open the file with this hash.

    Raises
    ------
    NotAllowedError
        When they may open no files at all.
    NotFoundError
        When no record that they see names it; the sentence is that of a file that is not there.
    """
    require(actor, "files.read")
    if not sees_file(store, actor, sha256):
        raise NotFoundError(
            "There is no file with this SHA-256 for you: it was removed, or belongs to something "
            "that you do not see."
        )


def sees_file(store: Store, actor: Actor, sha256: str) -> bool:
    """Say whether a record that is there for ``actor`` names the file."""
    return (
        actor.role == "ADMIN"
        or _as_picture(store, actor, sha256)
        or _as_mask(store, actor, sha256)
        or _as_prediction(store, actor, sha256)
        or _as_version(store, actor, sha256)
        or _as_result(store, actor, sha256)
        or _as_model(store, actor, sha256)
    )


def _as_picture(store: Store, actor: Actor, sha256: str) -> bool:
    images = store.images.read()
    named = images.where(sha256=sha256)
    if _sees_any(store, actor, named):
        return True
    # A thumbnail may show the outline of a mask, which a second reader must not see.
    small = images.where(thumbnail_sha256=sha256)
    return _sees_any(store, actor, (image for image in small if _sighted(store, actor, image)))


def _as_mask(store: Store, actor: Actor, sha256: str) -> bool:
    masks, images = store.masks.read(), store.images.read()
    named = [*masks.where(sha256=sha256), *masks.where(strokes_sha256=sha256)]
    of = [image for mask in named if (image := images.get(mask.image_id)) is not None]
    seen = (image for image in of if _sighted(store, actor, image))
    return allowed(actor, "masks.view") and _sees_any(store, actor, seen)


def _as_prediction(store: Store, actor: Actor, sha256: str) -> bool:
    answers, images = store.predictions.read(), store.images.read()
    fields = ("mask_sha256", "uncertainty_sha256", "probabilities_sha256")
    named = [answer for field in fields for answer in answers.where(**{field: sha256})]
    of = [image for answer in named if (image := images.get(answer.image_id)) is not None]
    return allowed(actor, "models.predict") and _sees_any(store, actor, of)


def _as_version(store: Store, actor: Actor, sha256: str) -> bool:
    """Look among frozen versions of datasets: the present ones, and earlier ones in details."""
    datasets = store.datasets.read()
    return allowed(actor, "datasets.view") and any(
        dataset.manifest_sha256 == sha256 or sha256 in str(dataset.details) for dataset in datasets
    )


def _as_result(store: Store, actor: Actor, sha256: str) -> bool:
    """Look among what jobs made: exports, reports, archives."""
    return allowed(actor, "jobs.view") and any(
        result.ref == sha256 for job in store.jobs.read() for result in job.results
    )


def _as_model(store: Store, actor: Actor, sha256: str) -> bool:
    return allowed(actor, "models.view") and any(
        file.sha256 == sha256 for model in store.models.read() for file in model.files
    )


def _sees_any(store: Store, actor: Actor, images: Iterable[Image]) -> bool:
    return allowed(actor, "datasets.view") and bool(visible_images(store, actor, images))


def _sighted(store: Store, actor: Actor, image: Image) -> bool:
    try:
        require_sighted(store.images.read(), image, actor)
    except NotAllowedError:
        return False
    return True

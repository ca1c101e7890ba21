"""Datasets as people have them: what is there, its pictures page by page, deleting, versions.

Bringing pictures in and taking them out are jobs (``import_dataset``, ``export_dataset``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final, final

from engine.catalogue.picture_records import (
    Belongings,
    belongings,
    chosen_mask,
    chosen_masks,
)
from engine.catalogue.picture_views import class_colours, view
from engine.catalogue.second_readings import require_sighted, seen_thumbnail
from engine.datasets import checks, manifest
from engine.datasets.checks import CheckedPicture, Finding
from engine.datasets.entries import Split
from engine.datasets.manifest import FrozenPicture
from engine.datasets.splits import SHARES, split
from engine.errors import BusyError, NotFoundError, RequestError
from engine.people.permissions import require
from engine.store import now
from engine.store.records import Dataset, Image, Mask

if TYPE_CHECKING:
    from engine.jobs.queue import Queue
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = [
    "PAGE",
    "STANDARD_CLASSES",
    "CheckedDataset",
    "Datasets",
    "Overview",
    "PicturePage",
    "Version",
]

PAGE: Final = 24
"""Pictures on one page of a list."""

STANDARD_CLASSES: Final = ("background", "unhealthy", "healthy")
"""The classes of a dataset that names none."""

_ACTIVE: Final = frozenset({"pending", "processing", "stuck"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A dataset in numbers; ``marked`` pictures have a mask."""

    dataset: Dataset
    pictures: int
    marked: int
    approved: int
    bytes: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePage:
    """Some pictures of a dataset: ``count`` match in all, on ``pages`` pages (at least one)."""

    images: tuple[Image, ...]
    count: int
    page: int
    pages: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A frozen version: its manifest names exactly which files it consists of."""

    version: int
    manifest_sha256: str
    at: str
    by: str
    pictures: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDataset:
    """What checks found; ``unhashed`` pictures could not be compared for likeness."""

    findings: tuple[Finding, ...]
    balance: Mapping[str, float]
    sizes: tuple[tuple[int, int, int], ...]
    pictures: int
    unmarked: int
    unhashed: int


@final
class Datasets:
    """All datasets of one home; each method requires its action of whoever asks."""

    def __init__(self, store: Store, files: Files, audit: AuditLog, queue: Queue) -> None:
        self._store = store
        self._files = files
        self._audit = audit
        self._queue = queue

    # --- looking -------------------------------------------------------------------------------

    def list(self, actor: Actor) -> tuple[Overview, ...]:
        """Return all datasets, the newest first."""
        require(actor, "datasets.view")
        found = [self._overview(dataset) for dataset in self._store.datasets.read()]
        found.sort(key=lambda one: (one.dataset.created_at, one.dataset.id), reverse=True)
        return tuple(found)

    def get(self, actor: Actor, dataset_id: str) -> Overview:
        """Return one dataset; :class:`NotFoundError` when there is none."""
        require(actor, "datasets.view")
        return self._overview(self._dataset(dataset_id))

    def pictures(
        self,
        actor: Actor,
        dataset_id: str,
        *,
        page: int = 1,
        size: int = PAGE,
        words: str = "",
        split: str | None = None,
        marked: bool | None = None,
    ) -> PicturePage:
        """Return one page of a dataset's pictures by name; beyond the last page: the last.

        ``words`` must all be in the name or the group; ``split`` and ``marked`` (has a mask)
        choose further.
        """
        require(actor, "datasets.view")
        self._dataset(dataset_id)
        images = self._store.images.read().where(dataset_id=dataset_id)
        wanted = words.casefold().split()
        masks = self._store.masks.read()
        found = [
            image
            for image in images
            if all(word in f"{image.name} {image.group}".casefold() for word in wanted)
            and split in (None, image.split)
            and (marked is None or bool(masks.where(image_id=image.id)) == marked)
        ]
        found.sort(key=lambda image: (image.name, image.id))
        pages = max(1, ceil(len(found) / size))
        number = min(max(1, page), pages)
        shown = tuple(found[(number - 1) * size : number * size])
        return PicturePage(images=shown, count=len(found), page=number, pages=pages)

    def picture(self, actor: Actor, image_id: str) -> Image:
        """Return one picture of a dataset; :class:`NotFoundError` when there is none."""
        require(actor, "datasets.view")
        image = self._store.images.read().get(image_id)
        if image is None or image.dataset_id is None:
            raise NotFoundError(
                f"There is no picture {image_id[:80]!r} in a dataset; it was removed, or the "
                "address is wrong. Choose one from the list."
            )
        return image

    def mask_of(self, actor: Actor, image_id: str) -> Mask | None:
        """Return the mask of a picture that counts, ``None`` where nobody drew.

        Raises
        ------
        NotAllowedError
            Also for whoever reads the picture a second time, blinded, and has not sent theirs.
        """
        require(actor, "masks.view")
        self._require_sighted(actor, image_id)
        return chosen_mask(self._store.masks.read(), image_id)

    def thumbnail(self, actor: Actor, image: Image) -> bytes:
        """Return a small JPEG of a picture, made when there is none yet."""
        require(actor, "datasets.view")
        return seen_thumbnail(self._store, self._files, actor, image)

    def view(self, actor: Actor, image: Image, *, with_mask: bool = True) -> bytes:
        """Return a JPEG of a picture for a page, with the mask that counts laid over it."""
        require(actor, "masks.view" if with_mask else "datasets.view")
        mask = self.mask_of(actor, image.id) if with_mask else None
        classes = self._classes_of(image)
        return view(self._store, self._files, image, mask=mask, classes=classes)

    def colours(self, actor: Actor, image: Image) -> dict[str, str]:
        """Return the classes of a picture's dataset with their colours; the background has none."""
        require(actor, "datasets.view")
        return class_colours(self._classes_of(image))

    # --- checking, dividing, freezing ----------------------------------------------------------

    def check(self, actor: Actor, dataset_id: str) -> CheckedDataset:
        """Look for twins, leaks between splits, empty and full masks; count classes and sizes."""
        require(actor, "datasets.view")
        dataset = self._dataset(dataset_id)
        images = self._store.images.read().where(dataset_id=dataset_id)
        masks = chosen_masks(self._store, images)
        rows = [_row(image, masks.get(image.id), _classes(dataset)) for image in images]
        return CheckedDataset(
            findings=checks.check(rows),
            balance=checks.balance(rows),
            sizes=checks.sizes(rows),
            pictures=len(rows),
            unmarked=sum(row.counts is None for row in rows),
            unhashed=sum(not row.perceptual_hash for row in rows),
        )

    def divide(
        self,
        actor: Actor,
        dataset_id: str,
        shares: Mapping[Split, float] = SHARES,
        *,
        seed: int = 0,
    ) -> dict[Split, int]:
        """Give every picture its split, groups whole; return how many each split has.

        Raises
        ------
        RequestError
            When the shares do not add up to 1.
        """
        require(actor, "datasets.manage")
        with self._store.transaction("datasets", "images") as changes:
            dataset = changes["datasets"][dataset_id]
            images = changes["images"].where(dataset_id=dataset_id)
            parts = split({image.id: image.group for image in images}, shares, seed=seed)
            for image in images:
                if image.split != parts[image.id]:
                    changes["images"].put(replace(image, split=parts[image.id], updated_at=now()))
            details = {**dataset.details, "split": {"seed": seed, "shares": dict(shares)}}
            changes["datasets"].put(replace(dataset, details=details, updated_at=now()))
        counted = {part: list(parts.values()).count(part) for part in shares}
        told = ", ".join(f"{number} {part}" for part, number in counted.items())
        self._note(actor, "datasets.manage", dataset_id, f"Divided with seed {seed}: {told}")
        return counted

    def freeze(self, actor: Actor, dataset_id: str) -> Version:
        """Make a version of what is there now; the same content again is the same version.

        Raises
        ------
        RequestError
            When there is nothing to freeze, or an import is not done.
        """
        require(actor, "datasets.manage")
        dataset = self._dataset(dataset_id)
        images = self._store.images.read().where(dataset_id=dataset_id)
        if not images or dataset.status != "ready":
            raise RequestError(
                f"A version is made of a dataset that is ready and has pictures, but this one is "
                f"“{dataset.status}” with {len(images)}; finish its import first."
            )
        content = manifest.content(self._frozen(images), classes=_classes(dataset))
        kept = self._files.put(content, media_type="application/json")
        with self._store.datasets.transaction() as datasets:
            present = datasets[dataset_id]
            versions = self.versions(present)
            same = [one for one in versions if one.manifest_sha256 == kept.sha256]
            if same:
                return same[0]
            made = Version(
                version=max((one.version for one in versions), default=0) + 1,
                manifest_sha256=kept.sha256,
                at=now().isoformat(),
                by=actor.id,
                pictures=len(images),
            )
            datasets.put(_with_version(present, (*versions, made)))
        self._note(actor, "datasets.manage", dataset_id, f"Froze version {made.version}")
        return made

    def versions(self, dataset: Dataset) -> tuple[Version, ...]:
        """Return the frozen versions of a dataset, the oldest first."""
        return tuple(
            Version(
                version=int(row["version"]),
                manifest_sha256=str(row["manifest"]),
                at=str(row["at"]),
                by=str(row["by"]),
                pictures=int(row["pictures"]),
            )
            for row in dataset.details.get("versions", ())
        )

    # --- changing ------------------------------------------------------------------------------

    def rename(self, actor: Actor, dataset_id: str, *, name: str, description: str) -> Dataset:
        """Change what a dataset is called and what it is about.

        Raises
        ------
        RequestError
            When the name is empty or too long, or another dataset has it.
        """
        require(actor, "datasets.manage")
        wanted = " ".join(name.split())
        if not wanted or len(wanted) > 120:
            raise RequestError(
                f"A name has 1 to 120 characters, but this one has {len(wanted)}; change it."
            )
        with self._store.datasets.transaction() as datasets:
            dataset = datasets[dataset_id]
            if any(o.name == wanted and o.id != dataset_id for o in datasets.values()):
                raise RequestError(f"There is a dataset “{wanted}” already; choose another name.")
            changed = replace(
                dataset, name=wanted, description=description.strip()[:2000], updated_at=now()
            )
            datasets.put(changed)
        self._note(actor, "datasets.manage", dataset_id, "Changed name or description")
        return changed

    def what_goes(self, actor: Actor, dataset_id: str) -> Belongings:
        """Return what :meth:`delete` would remove."""
        require(actor, "datasets.view")
        self._dataset(dataset_id)
        return belongings(self._store, self._store.images.read().where(dataset_id=dataset_id))

    def delete(self, actor: Actor, dataset_id: str) -> Belongings:
        """Remove a dataset with its pictures, masks, cells and answers, all of it or nothing.

        The files go when files that no record names are collected. Models that learned from it
        stay, and so do their own manifests.

        Raises
        ------
        BusyError
            When a job works on it.
        """
        require(actor, "datasets.manage")
        self._require_idle(dataset_id)
        with self._store.transaction(
            "datasets", "images", "masks", "cell_annotations", "predictions"
        ) as changes:
            name = changes["datasets"][dataset_id].name
            images = changes["images"].where(dataset_id=dataset_id)
            gone = Belongings(
                images=images,
                masks=tuple(m for i in images for m in changes["masks"].where(image_id=i.id)),
                cells=tuple(
                    c for i in images for c in changes["cell_annotations"].where(image_id=i.id)
                ),
                predictions=tuple(
                    p for i in images for p in changes["predictions"].where(image_id=i.id)
                ),
            )
            for collection, records in (
                ("masks", gone.masks),
                ("cell_annotations", gone.cells),
                ("predictions", gone.predictions),
                ("images", gone.images),
            ):
                for record in records:
                    changes[collection].remove(record.id)
            changes["datasets"].remove(dataset_id)
        text = f"Deleted dataset “{name}” with {len(gone.images)} pictures, {len(gone.masks)} masks"
        self._note(actor, "datasets.manage", dataset_id, text)
        return gone

    # --- inside --------------------------------------------------------------------------------

    def _dataset(self, dataset_id: str) -> Dataset:
        return self._store.datasets.read()[dataset_id]

    def _require_sighted(self, actor: Actor, image_id: str) -> None:
        images = self._store.images.read()
        image = images.get(image_id)
        if image is not None:
            require_sighted(images, image, actor)

    def _classes_of(self, image: Image) -> tuple[str, ...]:
        dataset = self._store.datasets.read().get(image.dataset_id or "")
        return _classes(dataset) if dataset else STANDARD_CLASSES

    def _overview(self, dataset: Dataset) -> Overview:
        images = self._store.images.read().where(dataset_id=dataset.id)
        masks = self._store.masks.read()
        return Overview(
            dataset=dataset,
            pictures=len(images),
            marked=sum(bool(masks.where(image_id=image.id)) for image in images),
            approved=sum(image.status == "approved" for image in images),
            bytes=sum(image.size_bytes for image in images),
        )

    def _frozen(self, images: tuple[Image, ...]) -> tuple[FrozenPicture, ...]:
        masks = chosen_masks(self._store, images)
        return tuple(
            FrozenPicture(
                name=image.name,
                sha256=image.sha256,
                mask_sha256=masks[image.id].sha256 if image.id in masks else "",
                group=image.group,
                split=image.split,
            )
            for image in images
        )

    def _require_idle(self, dataset_id: str) -> None:
        for job in self._queue.all():
            names = {job.payload.get("dataset"), *(result.ref for result in job.results)}
            if job.state in _ACTIVE and dataset_id in names:
                raise BusyError(
                    f"The job “{job.title}” works on this dataset; cancel it or wait for its end."
                )

    def _note(self, actor: Actor, action: str, dataset_id: str, text: str) -> None:
        self._audit.write(actor, action, record=f"datasets/{dataset_id}", text=text)


def _classes(dataset: Dataset) -> tuple[str, ...]:
    return dataset.classes or STANDARD_CLASSES


def _row(image: Image, mask: Mask | None, classes: tuple[str, ...]) -> CheckedPicture:
    counts = None
    if mask is not None and mask.counts:
        order = (*classes, *(name for name in mask.counts if name not in classes))
        counts = {name: int(mask.counts.get(name, 0)) for name in order}
    return CheckedPicture(
        name=image.name,
        sha256=image.sha256,
        perceptual_hash=image.perceptual_hash or "",
        group=image.group,
        split=image.split,
        width_px=image.width_px,
        height_px=image.height_px,
        counts=counts,
    )


def _with_version(dataset: Dataset, versions: tuple[Version, ...]) -> Dataset:
    rows: list[dict[str, Any]] = [
        {
            "version": one.version,
            "manifest": one.manifest_sha256,
            "at": one.at,
            "by": one.by,
            "pictures": one.pictures,
        }
        for one in versions
    ]
    return replace(
        dataset,
        version=versions[-1].version,
        manifest_sha256=versions[-1].manifest_sha256,
        details={**dataset.details, "versions": rows},
        updated_at=now(),
    )

"""What goes with a patient or a sample when it is deleted: counted first, then taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from engine.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.store import Store
    from engine.store.several import Several

__all__ = ["Deletion", "delete", "what_goes"]

_COLLECTIONS = (
    *("patients", "samples", "images", "masks", "cell_annotations", "patient_annotations"),
    "predictions",
)
_AT_WORK = ("processing", "stuck")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """The ids of all records that go, by collection."""

    ids: Mapping[str, tuple[str, ...]]

    def count(self, collection: str) -> int:
        """Return how many records of a collection go."""
        return len(self.ids[collection])

    def lines(self) -> tuple[str, ...]:
        """Return a line for each kind of thing that is lost."""
        named = (
            ("patients", "patient record", "patient records"),
            ("samples", "sample", "samples"),
            ("images", "picture", "pictures"),
            ("cell_annotations", "marked cell", "marked cells"),
            ("patient_annotations", "finding", "findings"),
            ("masks", "mask", "masks"),
            ("predictions", "model's answer", "models' answers"),
        )
        counted = ((self.count(name), one, many) for name, one, many in named)
        return tuple(f"{n:,} {one if n == 1 else many}" for n, one, many in counted if n)


def what_goes(store: Store, *, patient_id: str = "", sample_id: str = "") -> Deletion:
    """Return what goes with a patient (all samples), or with one sample."""
    return _found(store.read(*_COLLECTIONS), patient_id, sample_id)


def delete(store: Store, agreed: Deletion, *, patient_id: str = "", sample_id: str = "") -> None:
    """Remove exactly what was ``agreed`` to, all or nothing.

    The files themselves go with the next collection of garbage, when nothing else names them.

    Raises
    ------
    RequestError
        When something was added or removed since, or a job is at work on a sample.
    """
    with store.transaction(*_COLLECTIONS) as records:
        found = _found(records, patient_id, sample_id)
        if found != agreed:
            raise RequestError(
                "Something was added or removed since the list was shown; look at what goes now, "
                "and confirm again."
            )
        _require_idle(store, records, found)
        for collection, ids in found.ids.items():
            for name in ids:
                records[collection].remove(name)


def _require_idle(store: Store, records: Several, found: Deletion) -> None:
    jobs = store.jobs.read()
    for name in found.ids["samples"]:
        sample = records["samples"][name]
        job = jobs.get(sample.job_id or "")
        if job is not None and job.state in _AT_WORK:
            raise RequestError(
                "A job is at work on one of the samples; wait until it is done, or cancel it."
            )


def _found(records: Mapping[str, Any] | Several, patient_id: str, sample_id: str) -> Deletion:
    if sample_id:
        samples = [sample_id] if records["samples"].get(sample_id) else []
    else:
        samples = _ids(records["samples"].where(patient_id=patient_id))
    of_samples = {
        name: [one for sample in samples for one in _ids(records[name].where(sample_id=sample))]
        for name in ("images", "cell_annotations")
    }
    images = of_samples["images"]
    by_picture = [
        one for image in images for one in _ids(records["cell_annotations"].where(image_id=image))
    ]
    cells = [*of_samples["cell_annotations"], *by_picture]
    masks = [one for image in images for one in _ids(records["masks"].where(image_id=image))]
    answers = [
        one for image in images for one in _ids(records["predictions"].where(image_id=image))
    ]
    whole = [patient_id] if patient_id and records["patients"].get(patient_id) else []
    findings = _ids(records["patient_annotations"].where(patient_id=patient_id)) if whole else []
    return Deletion(
        ids={
            name: tuple(sorted(set(ids)))
            for name, ids in (
                ("patients", whole),
                ("samples", samples),
                ("images", images),
                ("masks", masks),
                ("cell_annotations", cells),
                ("patient_annotations", findings),
                ("predictions", answers),
            )
        }
    )


def _ids(records: Any) -> list[str]:  # noqa: ANN401 – records of any kind
    return [record.id for record in records]

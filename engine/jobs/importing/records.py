"""The record of the dataset that an import fills: begun, asked about, failed, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.datasets import reports
from engine.datasets.entries import FileOutcome
from engine.datasets.sources.naming import stem_of
from engine.errors import NotAllowedError, NotFoundError
from engine.jobs.folders import read_json, write_json
from engine.people.permissions import allowed
from engine.store import new_id, now
from engine.store.records import Dataset

if TYPE_CHECKING:
    from engine.datasets.surveying import Survey
    from engine.jobs.context import JobContext
    from engine.jobs.importing.pictures import Rules

__all__ = [
    "ask",
    "begin",
    "close",
    "closed_before",
    "fail",
    "has_pictures",
    "image_id",
    "image_ids",
    "importing",
]


def begin(context: JobContext) -> Dataset:
    """Return the dataset to fill: the one that is named, an earlier attempt's, or a new one.

    Raises
    ------
    NotFoundError
        When the named one is gone.
    NotAllowedError
        When it is somebody else's.
    """
    payload: Any = context.payload
    if payload["dataset"]:
        found = context.store.datasets.read().get(payload["dataset"])
        if found is None:
            raise NotFoundError(f"There is no dataset {payload['dataset']}.")
        is_own = found.created_by == context.job.created_by
        if not is_own and not allowed(context.actor, "datasets.manage"):
            raise NotAllowedError("Only who made a dataset and administrators may add to it.")
        return found
    noted = context.folder / "dataset.json"
    dataset_id = str(read_json(noted).get("id") or new_id())
    write_json(noted, {"id": dataset_id}, durable=True)
    with context.store.datasets.transaction() as datasets:
        known = datasets.get(dataset_id)
        if known is not None:
            return known
        names = {dataset.name for dataset in datasets.values()}
        dataset = Dataset(
            id=dataset_id,
            name=_free_name(_wanted_name(payload), names),
            status="importing",
            source=payload["url"].split("?")[0] or payload["filename"],
            created_by=context.job.created_by,
            details={"job": context.job.id},
        )
        datasets.put(dataset)
    return dataset


def image_id(context: JobContext, dataset: Dataset, number: int) -> str:
    """Return the id of an item's picture, the same at every attempt of this job."""
    return f"{dataset.id}-{context.job.id[-6:]}-{number + 1:05}"


def image_ids(context: JobContext, dataset: Dataset) -> set[str]:
    """Return the ids of all pictures that the dataset has."""
    return {image.id for image in context.store.images.read().where(dataset_id=dataset.id)}


def has_pictures(context: JobContext, dataset: Dataset) -> bool:
    """Return whether pictures of another import are there."""
    own = f"{dataset.id}-{context.job.id[-6:]}-"
    return any(not name.startswith(own) for name in image_ids(context, dataset))


def ask(context: JobContext, dataset: Dataset, seen: Survey, *, path: Path, title: str) -> str:
    """Leave the dataset waiting for somebody to say what the masks mean; return the sentence.

    What was fetched is kept, so that it need not be fetched again.
    """
    upload = {**context.payload, "filename": title}
    if upload["url"]:
        kept = context.files.put(path, media_type="application/octet-stream")
        upload |= {"file": kept.sha256, "url": ""}
    told = " ".join(seen.convention.sentences) if seen.convention else ""
    text = f"Please confirm what the masks mean, then the import goes on. {told}"
    _change(
        context,
        dataset,
        status="uploaded",
        status_text=text,
        details={"survey": seen.document, "upload": upload},
    )
    return text


def importing(context: JobContext, dataset: Dataset, seen: Survey, rules: Rules) -> Dataset:
    """Note what the import goes by, before the first picture."""
    return _change(
        context,
        dataset,
        status="importing",
        status_text="",
        classes=rules.classes,
        details={
            "form": seen.form,
            "mapping": dict(rules.mapping),
            "survey": seen.document,
            "upload": dict(context.payload),
            "job": context.job.id,
        },
    )


def fail(context: JobContext, dataset: Dataset, reason: str) -> None:
    """Say why the import ended; pictures that are stored stay."""
    if not image_ids(context, dataset):
        _change(context, dataset, status="error", status_text=reason)
    else:
        _change(context, dataset, status_text=reason)


def close(context: JobContext, dataset: Dataset, lines: Sequence[FileOutcome]) -> str:
    """Store the report, count what is there, call the dataset ready; return the sentence."""
    report = context.files.put(reports.write(lines), media_type="application/json")
    context.result("file", report.sha256, "Report of the import")
    images = context.store.images.read().where(dataset_id=dataset.id)
    counts = reports.counts(lines)
    removed = sum(1 for image in images if image.details.get("removed"))
    sentence = _sentence(dataset, counts)
    _change(
        context,
        dataset,
        status="ready" if images else "error",
        status_text="",
        file_count=len(images),
        total_bytes=sum(image.size_bytes for image in images),
        details={
            "report": report.sha256,
            "removed_identity": removed,
            "closed": {"job": context.job.id, "sentence": sentence if images else ""},
            "upload": {},
            **counts,
        },
    )
    if images:
        _forget_upload(context)
    return sentence


def closed_before(context: JobContext, dataset: Dataset) -> str:
    """Return the closing sentence when an earlier attempt of this job came to its end."""
    closed = dataset.details.get("closed") or {}
    return str(closed.get("sentence", "")) if closed.get("job") == context.job.id else ""


def _sentence(dataset: Dataset, counts: Mapping[str, int]) -> str:
    taken = counts["accepted"] + counts["repaired"]
    sentence = f"“{dataset.name}” took {_counted(taken, 'picture')}"
    if counts["repaired"]:
        sentence += f", {counts['repaired']:,} of them repaired"
    if counts["refused"]:
        sentence += f"; {_counted(counts['refused'], 'file')} refused"
    if counts["left_out"]:
        sentence += f"; {_counted(counts['left_out'], 'other file')} left out"
    return f"{sentence}."


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _forget_upload(context: JobContext) -> None:
    """Remove the upload as it was sent, which may tell of people, unless others need it."""
    sha256 = str(context.payload["file"])
    if not sha256:
        return
    store = context.store
    needed = {name for i in store.images.read().values() for name in (i.sha256, i.thumbnail_sha256)}
    for dataset in store.datasets.read().values():
        needed.add((dataset.details.get("upload") or {}).get("file"))
    for job in store.jobs.read().values():
        if job.id != context.job.id and job.state not in ("completed", "cancelled"):
            needed.add(job.payload.get("file"))
    if sha256 not in needed:
        context.files.remove(sha256)


def _change(
    context: JobContext,
    dataset: Dataset,
    *,
    details: dict[str, Any] | None = None,
    **fields: object,
) -> Dataset:
    with context.store.datasets.transaction() as datasets:
        known = datasets.get(dataset.id) or dataset
        merged = {**known.details, **(details or {})}
        changes: Any = {"updated_at": now(), "details": merged, **fields}
        changed = replace(known, **changes)
        datasets.put(changed)
    return changed


def _wanted_name(payload: Any) -> str:  # noqa: ANN401 – JSON
    if payload["name"].strip():
        return str(payload["name"]).strip()
    last = (payload["filename"] or payload["url"].split("?")[0].rstrip("/")).replace("\\", "/")
    last = last.rpartition("/")[2]
    stem = last[:-4] if last.lower().endswith(".zip") else stem_of(last)
    return stem[:100].strip() or "Imported pictures"


def _free_name(wanted: str, names: set[str]) -> str:
    name, number = wanted, 1
    while name in names:
        number += 1
        name = f"{wanted} {number}"
    return name

"""One import from its upload to a dataset that is ready, or to a rest that can go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from engine.datasets import reports
from engine.datasets.conventions import classes_of
from engine.datasets.entries import Entry, FileOutcome
from engine.datasets.expanding import expanded
from engine.datasets.opening import Opened, open_upload
from engine.datasets.sources import form_of
from engine.datasets.surveying import Survey, survey_opened
from engine.errors import DatasetError, InputError, LightboxError, MissingBackendError
from engine.imaging.volumes import Plane
from engine.jobs.importing import records
from engine.jobs.importing.keeping import Batch, Ledger
from engine.jobs.importing.pictures import Rules, kept_of

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.store.records import Dataset

__all__ = ["import_dataset"]


def import_dataset(context: JobContext) -> str:
    """Read the upload and store what it holds; the closing sentence tells how much that was."""
    dataset = records.begin(context)
    context.result("dataset", dataset.id, dataset.name)
    if sentence := records.closed_before(context, dataset):
        return sentence
    try:
        with _upload(context) as (path, title), open_upload(path, title=title) as opened:
            return _import(context, dataset, opened, path)
    except InputError as problem:
        records.fail(context, dataset, str(problem))
        raise


def _import(context: JobContext, dataset: Dataset, opened: Opened, path: Path) -> str:
    context.report(None, "Looking at the upload")
    payload = context.payload
    seen = survey_opened(opened, form=str(payload["form"]), plane=payload["plane"])
    if payload["mapping"] is None and seen.needs_confirmation:
        return records.ask(context, dataset, seen, path=path, title=opened.title)
    rules = _rules(context, dataset, seen)
    dataset = records.importing(context, dataset, seen, rules)
    ledger = Ledger(context.folder / "report.jsonl")
    _take_all(context, dataset, rules, _items(opened, seen, payload["plane"]), ledger)
    lines = [ledger.lines[number] for number in sorted(ledger.lines)]
    counts = reports.counts(lines)
    if not counts["accepted"] + counts["repaired"]:
        first = next((line for line in lines if line.outcome == "refused"), None)
        why = f" The first reason: {first.name}: {' '.join(first.sentences)}" if first else ""
        records.close(context, dataset, lines)
        raise DatasetError(f"None of the {len(lines)} files could be taken.{why}")
    return records.close(context, dataset, lines)


def _rules(context: JobContext, dataset: Dataset, seen: Survey) -> Rules:
    mapping = {**seen.mapping, **(context.payload["mapping"] or {})}
    if context.payload["mapping"] and seen.convention and not seen.convention.is_certain:
        mapping = dict(context.payload["mapping"])
    classes = classes_of(mapping.values())
    if records.has_pictures(context, dataset) and dataset.classes != classes:
        raise DatasetError(
            f"The dataset has the classes {', '.join(dataset.classes)}, but this upload would "
            f"have {', '.join(classes)}; import it as a dataset of its own, or map it to these."
        )
    return Rules(mapping=mapping, classes=classes)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    number: int
    of: int
    item: Entry | FileOutcome


def _items(opened: Opened, seen: Survey, plane: Plane) -> Iterator[_Item]:
    """Yield the items of the upload in an order that is the same at every attempt."""
    items: list[Entry | FileOutcome] = [*opened.outcomes]
    items += expanded(form_of(opened, seen.form).entries(opened), plane=plane)
    for number, item in enumerate(items):
        yield _Item(number=number, of=len(items), item=item)


def _take_all(
    context: JobContext, dataset: Dataset, rules: Rules, items: Iterator[_Item], ledger: Ledger
) -> None:
    have = records.image_ids(context, dataset)
    batch = Batch(context=context, ledger=ledger)
    passed = 0
    for at in items:
        image_id = records.image_id(context, dataset, at.number)
        line = ledger.lines.get(at.number)
        if line is not None and (line.outcome in ("refused", "left_out") or image_id in have):
            passed += 1
            continue
        if isinstance(at.item, FileOutcome):
            batch.add(at.number, at.item)
            continue
        try:
            kept, line = kept_of(context, dataset, at.item, rules, image_id)
        except LightboxError as problem:
            if not _is_about_the_file(problem):
                batch.store()
                raise
            reason = FileOutcome(
                name=at.item.image.name, outcome="refused", sentences=(str(problem),)
            )
            batch.add(at.number, reason)
        else:
            batch.add(at.number, line, kept)
        context.report((at.number + 1) / at.of, "Storing pictures", f"{at.number + 1} of {at.of}")
    batch.store()
    if passed:
        context.log(f"{passed} files were done before and were passed over.")


def _is_about_the_file(problem: LightboxError) -> bool:
    """Tell whether one file is at fault; a full disk or a cancelled job stops the whole import."""
    return isinstance(problem, InputError | MissingBackendError)


@contextmanager
def _upload(context: JobContext) -> Iterator[tuple[Path, str]]:
    """Give the upload's path and what its sender calls it."""
    payload: Any = context.payload
    if payload["file"]:
        context.report(None, "Opening the upload")
        with context.files.path(payload["file"]) as path:
            yield path, payload["filename"] or "upload"
        return
    from engine.datasets.fetching import FetchLimits, fetch

    fetched = fetch(
        payload["url"],
        context.folder / "fetched",
        limits=FetchLimits(),
        progress=lambda done, total, text: context.report(
            done / total if total else None, "Fetching", text
        ),
    )
    yield fetched.path, payload["filename"] or fetched.name

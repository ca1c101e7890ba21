"""``lightbox dataset list``, ``check`` and ``export``: what is there, how good it is, way out."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.command import OUR_FAULT, print_json
from engine.cli.progress import ProgressLine
from engine.errors import NotFoundError, RequestError
from engine.people.actors import SYSTEM
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.catalogue.datasets import Overview
    from engine.workbench import Workbench

__all__ = ["add_steps", "run_step"]


def add_steps(steps: Any) -> None:  # noqa: ANN401 – argparse keeps the type of subparsers private
    """Declare the arguments of the three steps."""
    listing = steps.add_parser("list", help="list datasets with their figures")
    check = steps.add_parser(
        "check", help="look for twins, leaks between splits, and empty masks; exit code 1 if so"
    )
    export = steps.add_parser("export", help="write a dataset as one ZIP")
    for step in (check, export):
        step.add_argument("dataset", metavar="ID|NAME")
    export.add_argument(
        "--form",
        default="medseg",
        help="medseg, nnunet, flat, coco, voc, yolo, geojson or objects (default: medseg)",
    )
    export.add_argument("--out", required=True, metavar="FILE.zip", help="where the ZIP goes")
    for step in (listing, check, export):
        step.add_argument("--json", action="store_true", help="print one JSON document")


def run_step(options: argparse.Namespace, settings: Settings) -> int:
    """Do one of the three steps; return the exit code."""
    from engine.workbench import Workbench

    workbench = Workbench(settings)
    steps = {"list": _list, "check": _check, "export": _export}
    return steps[options.step](options, workbench)


def _list(options: argparse.Namespace, workbench: Workbench) -> int:
    found = workbench.datasets.list(SYSTEM)
    if options.json:
        print_json({"datasets": [_document(one) for one in found]})
        return 0
    for one in found:
        print(
            f"{one.dataset.id}  {one.dataset.status:9}  {one.pictures:>6} pictures  "
            f"{one.marked:>6} with masks  {one.bytes / 1e6:>9.1f} MB  {one.dataset.name}"
        )
    print(f"{len(found)} datasets")
    return 0


def _check(options: argparse.Namespace, workbench: Workbench) -> int:
    one = _named(workbench, options.dataset)
    found = workbench.datasets.check(SYSTEM, one.dataset.id)
    if options.json:
        rows = [
            {"kind": finding.kind, "pictures": list(finding.names), "sentence": finding.sentence}
            for finding in found.findings
        ]
        print_json(
            {
                "dataset": one.dataset.id,
                "ok": not found.findings,
                "findings": rows,
                "balance": dict(found.balance),
                "sizes": [
                    {"width": width, "height": height, "pictures": number}
                    for width, height, number in found.sizes
                ],
                "pictures": found.pictures,
                "without_mask": found.unmarked,
                "not_compared": found.unhashed,
            }
        )
        return OUR_FAULT if found.findings else 0
    for finding in found.findings:
        print(f"{finding.kind:16}{finding.sentence}")
    for name, share in found.balance.items():
        print(f"{'balance':16}{name} {100 * share:.1f} %")
    print(
        f"{found.pictures} pictures, {found.unmarked} without a mask, "
        f"{len(found.findings)} findings"
    )
    return OUR_FAULT if found.findings else 0


def _export(options: argparse.Namespace, workbench: Workbench) -> int:
    from engine.catalogue.exporting import export_dataset
    from engine.jobs.context import JobContext
    from engine.jobs.tasks import TASKS
    from engine.store.records import Job

    one = _named(workbench, options.dataset)
    out = Path(options.out)
    if not out.parent.is_dir():
        raise RequestError(f"There is no folder {out.parent}; make it first.")
    payload = TASKS["export_dataset"].check({"dataset": one.dataset.id, "form": options.form})
    # The same work as the job's, in this process: the caller waits for the file anyway.
    job = Job(task="export_dataset", title="Export", payload=payload, created_by=SYSTEM.id)
    line = ProgressLine(is_shown=sys.stderr.isatty())
    line.show(0.0, f"Writing {options.form}", 0.0)
    context = JobContext(job, workbench.settings, store=workbench.store)
    try:
        sentence = export_dataset(context)
        (made,) = context.results
        part = out.with_name(f".{out.name}.part")
        with workbench.files.open(made.ref) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        part.replace(out)
    finally:
        line.clear()
        shutil.rmtree(context.folder.parent, ignore_errors=True)
    if options.json:
        document = {"dataset": one.dataset.id, "form": options.form, "file": str(out)}
        print_json({**document, "sha256": made.ref, "size": out.stat().st_size})
    else:
        print(f"{sentence} It is in {out}.")
    return 0


def _named(workbench: Workbench, name: str) -> Overview:
    """Return the dataset with that id or, where only one has it, that name."""
    found = [
        one for one in workbench.datasets.list(SYSTEM) if name in (one.dataset.id, one.dataset.name)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise RequestError(f"{len(found)} datasets are called {name[:80]!r}; give the id.")
    raise NotFoundError(
        f"There is no dataset {name[:80]!r}; `lightbox dataset list` names those that there are."
    )


def _document(one: Overview) -> dict[str, Any]:
    dataset = one.dataset
    return {
        "id": dataset.id,
        "name": dataset.name,
        "status": dataset.status,
        "pictures": one.pictures,
        "marked": one.marked,
        "approved": one.approved,
        "size_bytes": one.bytes,
        "classes": list(dataset.classes),
        "version": dataset.version,
        "manifest_sha256": dataset.manifest_sha256,
        "created_at": dataset.created_at.isoformat(),
    }

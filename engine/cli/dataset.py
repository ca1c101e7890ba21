"""``lightbox dataset``: bring datasets in; the other steps are in ``dataset_steps``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from engine.cli.command import BAD_INPUT, OUR_FAULT, Command, Document, print_json
from engine.cli.dataset_steps import add_steps, run_step
from engine.cli.progress import ProgressLine
from engine.errors import NotFoundError, RequestError
from engine.imaging.volumes import Plane
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.datasets.surveying import Survey
    from engine.jobs.queue import Queue
    from engine.store import Store
    from engine.store.records import Dataset, Job

__all__ = ["DATASET"]

_LOOK_EVERY_S = 0.3
_ENDED = ("completed", "failed", "cancelled", "stuck")


def _add_options(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    bring = steps.add_parser("import", help="read a ZIP, a folder, a picture or an address")
    bring.add_argument("upload", metavar="FILE|URL")
    bring.add_argument("--name", default="", help="what the dataset is called")
    bring.add_argument(
        "--map",
        default="",
        metavar="0=background,255=unhealthy",
        help="what the values of the masks mean: background, unhealthy, healthy, not_annotated "
        "or a class's name",
    )
    bring.add_argument(
        "--yes", action="store_true", help="believe the meaning that the masks suggest"
    )
    bring.add_argument("--form", default="", help="the form of the dataset, when it is misread")
    bring.add_argument(
        "--plane", default="axial", choices=get_args(Plane), help="how volumes are cut"
    )
    bring.add_argument("--json", action="store_true", help="print one JSON document")
    add_steps(steps)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if options.step == "import":
        return _import(options, settings)
    return run_step(options, settings)


def _import(options: argparse.Namespace, settings: Settings) -> int:
    from engine.jobs.queue import Queue
    from engine.people.audit import open_audit
    from engine.store import Store

    store = Store(settings.home / "records")
    queue = Queue(store, settings, audit=open_audit(settings))
    payload: Document = {"name": options.name, "form": options.form, "plane": options.plane}
    payload["mapping"] = _mapping(options.map)
    is_address = options.upload.lower().startswith(("http://", "https://"))
    if is_address:
        payload["url"] = options.upload
    else:
        seen = _seen(options)
        if payload["mapping"] is None and seen.needs_confirmation and not options.yes:
            return _ask(seen.document, as_json=options.json)
        if seen.needs_confirmation and payload["mapping"] is None:
            payload["mapping"] = dict(seen.mapping)
        payload |= _stored(Path(options.upload), settings)
    job, dataset = _done(queue, store, settings, payload)
    if job.state == "completed" and dataset is not None and dataset.status == "uploaded":
        survey = dataset.details["survey"]
        if not options.yes:
            return _ask(survey, as_json=options.json)
        again = {**dataset.details["upload"], "dataset": dataset.id, "mapping": survey["mapping"]}
        job, dataset = _done(queue, store, settings, again)
    return _say(job, dataset, settings, as_json=options.json)


def _seen(options: argparse.Namespace) -> Survey:
    from engine.datasets.surveying import survey

    path = Path(options.upload)
    return survey(path, filename=path.name, form=options.form, plane=options.plane)


def _mapping(text: str) -> dict[str, str] | None:
    """Read ``0=background,255=unhealthy``."""
    if not text:
        return None
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(middle for _, middle, _ in pairs):
        raise RequestError(f"--map takes VALUE=MEANING,VALUE=MEANING, but got {text[:80]!r}.")
    return {key.strip(): target.strip() for key, _, target in pairs}


def _stored(path: Path, settings: Settings) -> Document:
    """Store an upload, a folder packed as ZIP, and return how the job finds it."""
    from engine.store.files import open_files

    files = open_files(settings)
    if path.is_file():
        kept = files.put(path, media_type="application/octet-stream")
        return {"file": kept.sha256, "filename": path.name}
    if not path.is_dir():
        raise NotFoundError(f"There is no file or folder {path}; check the path.")
    with tempfile.TemporaryDirectory(prefix="lightbox-") as place:
        packed = Path(shutil.make_archive(f"{place}/upload", "zip", path))
        kept = files.put(packed, media_type="application/zip")
    return {"file": kept.sha256, "filename": path.resolve().name}


def _done(
    queue: Queue, store: Store, settings: Settings, payload: Document
) -> tuple[Job, Dataset | None]:
    """Let a job do the import: a worker that runs already, else one of this process."""
    from engine.jobs.presence import workers_seen
    from engine.jobs.worker import Worker
    from engine.people.actors import SYSTEM

    job = queue.submit("import_dataset", payload, actor=SYSTEM, title="Import from the terminal")
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(queue, job.id, ended), daemon=True)
    watcher.start()
    try:
        if not any(seen.is_alive for seen in workers_seen(settings)):
            Worker(settings).run(until_empty=True)
        while queue.get(job.id).state not in _ENDED:
            time.sleep(_LOOK_EVERY_S)
    finally:
        ended.set()
        watcher.join()
    job = queue.get(job.id)
    ids = [result.ref for result in job.results if result.kind == "dataset"]
    return job, store.datasets.read().get(ids[0]) if ids else None


def _watch(queue: Queue, job_id: str, ended: threading.Event) -> None:
    line = ProgressLine(is_shown=sys.stderr.isatty())
    while not ended.wait(_LOOK_EVERY_S):
        job = queue.get(job_id)
        line.show(job.fraction or 0.0, f"{job.stage} {job.message}".strip(), job.eta_s or 0.0)
    line.clear()


def _ask(survey: Document, *, as_json: bool) -> int:
    """Show what the masks seem to mean, and how to say what they do mean."""
    if as_json:
        print_json({"survey": survey})
        return BAD_INPUT
    pairs = ",".join(f"{key}={target}" for key, target in survey["mapping"].items())
    lines = [
        f"{survey['title']}: {survey['pictures']} pictures, {survey['labelled']} with labels.",
        *survey["convention"]["sentences"],
        "Nothing was imported: say what the values mean, or --yes for this guess:",
        f"  --map {pairs}",
    ]
    print("\n".join(lines), file=sys.stderr)
    return BAD_INPUT


def _say(job: Job, dataset: Dataset | None, settings: Settings, *, as_json: bool) -> int:
    from engine.datasets import reports
    from engine.store.files import open_files

    report: Any = dataset.details.get("report") if dataset else None
    rows = reports.read(open_files(settings).read(report)) if report else ()
    if as_json:
        print_json(
            {
                "job": job.id,
                "state": job.state,
                "dataset": dataset.id if dataset else None,
                "sentence": job.error or job.message,
                "files": [reports.to_document(row) for row in rows],
            }
        )
    else:
        for row in rows:
            if row.outcome in ("repaired", "refused"):
                print(f"{row.outcome:9}{row.name}: {' '.join(row.sentences)}")
        print(job.error or job.message)
    if job.state == "completed":
        return 0
    return OUR_FAULT if dataset is None or dataset.status != "error" else BAD_INPUT


DATASET = Command(
    name="dataset",
    help="bring datasets in, list, check and export them",
    add_options=_add_options,
    run=_run,
)

"""The tasks about many pictures: ask a model about each, and write its answers as one ZIP."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from engine.catalogue.predicting.forms import form_of
from engine.catalogue.predicting.predictions import Predicting
from engine.errors import DiskShortError, JobCancelledError, LightboxError, RequestError
from engine.people.permissions import require

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.store.records import Image

__all__ = ["export_predictions", "predict_pictures"]


def predict_pictures(context: JobContext) -> str:
    """Ask the model about every picture that has no answer yet; return the closing sentence.

    Each answer is kept as it comes, so an interrupted job goes on where it was. A picture that
    cannot be answered gets the reason and does not stop the others.

    Raises
    ------
    RequestError
        When there are no pictures, or none of them could be answered.
    """
    require(context.actor, "models.predict")
    predicting = _predicting(context)
    model = predicting.model(context.actor, str(context.payload["model"]))
    names = _names(context)
    again = context.job.id if context.payload["again"] else ""
    left = predicting.pending(context.actor, model.id, names, again_for=again)
    known = len(names) - len(left)
    if known:
        context.log(f"{known} of {len(names)} pictures are answered already.")
    failed: list[str] = []
    for number, name in enumerate(left):
        reason = _answered(context, predicting, model.id, name, known + number, len(names))
        if reason:
            failed.append(reason)
    context.result("model", model.id, model.name)
    if failed and len(failed) == len(names):
        raise RequestError(f"None of the pictures could be answered. The first: {failed[0]}")
    wrong = f", {len(failed)} could not be answered" if failed else ""
    return f"{len(left) - len(failed):,} of {len(names):,} pictures answered now{wrong}."


def export_predictions(context: JobContext) -> str:
    """Write the answers about a dataset into a ZIP, a folder for each form, and store it."""
    require(context.actor, "models.predict")
    predicting = _predicting(context)
    model = predicting.model(context.actor, str(context.payload["model"]))
    dataset = context.store.datasets.read()[str(context.payload["dataset"])]
    forms = [form_of(name) for name in context.payload["forms"]]
    images = _pictures_of(context, dataset.id)
    path = context.folder / "answers.zip"
    count, without = 0, 0
    taken: dict[str, int] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for number, image in enumerate(images):
            context.report(0.95 * number / len(images), "Writing", f"{number} of {len(images)}")
            kept = predicting.latest(context.actor, model.id, image.id)
            if kept is None:
                without += 1
                continue
            context.guard_step(
                40 + 12 * image.width_px * image.height_px / 1e6, what="writing the next answer"
            )
            for form in forms:
                if form == "probabilities" and kept.probabilities_sha256 is None:
                    context.log(f"Picture {image.id} is large: its probabilities were not kept.")
                    continue
                made = predicting.export(context.actor, kept.id, form)
                archive.writestr(_free(taken, form, made.name), made.data)
            count += 1
    if not count:
        path.unlink()
        raise RequestError(
            f"{model.name} has not answered about any picture of “{dataset.name}” yet; predict "
            "first."
        )
    context.report(0.97, "Storing the archive")
    file = context.files.put(path, media_type="application/zip")
    path.unlink()
    context.result("file", file.sha256, f"{dataset.name} ({model.name}).zip")
    rest = f", {without:,} without an answer left out" if without else ""
    return f"Answers about {count:,} of {len(images):,} pictures are ready to download{rest}."


def _predicting(context: JobContext) -> Predicting:
    from engine.catalogue.models import Models
    from engine.jobs.queue import Queue
    from engine.people.audit import open_audit

    audit = open_audit(context.settings)
    models = Models(context.store, context.files, audit, context.settings)
    queue = Queue(context.store, context.settings, audit=audit)
    return Predicting(context.settings, context.store, context.files, audit, queue, models)


def _names(context: JobContext) -> list[str]:
    if "images" in context.payload:
        return [str(name) for name in context.payload["images"]]
    return [image.id for image in _pictures_of(context, str(context.payload["dataset"]))]


def _pictures_of(context: JobContext, dataset_id: str) -> list[Image]:
    require(context.actor, "datasets.view")
    dataset = context.store.datasets.read()[dataset_id]
    found = context.store.images.read().where(dataset_id=dataset_id)
    if not found:
        raise RequestError(f"“{dataset.name}” has no pictures; bring some in first.")
    return sorted(found, key=lambda image: (image.name, image.id))


def _answered(
    context: JobContext, predicting: Predicting, model_id: str, name: str, number: int, total: int
) -> str:
    """Ask about one picture; return why it could not be answered, or nothing."""

    def tell(fraction: float, text: str) -> None:
        context.report((number + fraction) / total, "Looking", f"{number + 1} of {total}: {text}")

    try:
        image = predicting.image(context.actor, name)
        megapixels = image.width_px * image.height_px / 1e6
        context.guard_step(200 + 8 * megapixels, what=f"a picture of {megapixels:.0f} megapixels")
        predicting.predict(
            context.actor, model_id, name, tell=tell, check=context.check, job_id=context.job.id
        )
    except (JobCancelledError, DiskShortError):
        raise  # the first is no fault, and the second is everybody's
    except LightboxError as error:
        context.log(f"Picture {name}: {error}")
        try:
            predicting.refuse(context.actor, model_id, name, str(error), context.job.id)
        except LightboxError:  # the picture is gone, so there is nothing to note it with
            context.log(f"Picture {name} is not there any more.")
        return str(error)
    return ""


def _free(taken: dict[str, int], form: str, name: str) -> str:
    """Return a name inside the archive that no other file has."""
    whole = f"{form}/{name}"
    taken[whole] = taken.get(whole, 0) + 1
    if taken[whole] == 1:
        return whole
    stem, dot, ending = name.partition(".")
    return f"{form}/{stem} ({taken[whole]}){dot}{ending}"

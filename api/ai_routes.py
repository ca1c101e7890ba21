"""Training and predicting over HTTP: start a training, see how far it is, ask a model."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, Threads, asked_by, in_thread, json_fields, text_of
from api.bodies import is_multipart, read_limited
from api.job_routes import job_document
from api.schemas import PROBLEMS, body
from api.sent_pictures import read_pictures
from engine.errors import RequestError, TooLargeError

if TYPE_CHECKING:
    from engine.catalogue.predicting import Exported, PredictionForm
    from engine.catalogue.trainings import Progress
    from engine.people.actors import Actor
    from engine.settings import Settings
    from engine.store.records import ModelRecord
    from engine.workbench import Workbench

__all__ = ["build_ai_router"]

_AT_ONCE: Final = 2
_NAMES: Final = ("dataset", "dataset_id", "version", "name", "wishes")
_ASKED: Final = ("image", "image_id", "model", "form")
_CURVE: Final = ("epoch", "train_loss", "validation_loss", "mean_dice")
_STATES: Final = ("pending", "processing", "stuck")


def build_ai_router(desk: Desk) -> APIRouter:
    """Return ``/ai/train``, ``/ai/status`` and ``/ai/predict``."""
    router = APIRouter(prefix="/ai", tags=["ai"], responses=PROBLEMS)
    _add_training(router, desk)
    _add_predicting(router, desk)
    return router


def _add_training(router: APIRouter, desk: Desk) -> None:
    fields = {"dataset": "string", "name": "string", "version": "string", "wishes": "object"}
    fields |= {"minutes": "number", "epochs": "integer", "learning_rate": "number"}
    fields |= {"batch_size": "integer", "variant": "string"}

    @router.post("/train", status_code=202, openapi_extra=body("dataset", **fields))
    async def train(request: Request) -> Response:
        """Train a model on `dataset`; the answer is the job, `progress` is where to watch it.

        `wishes` may hold `minutes`, `epochs`, `learning_rate`, `batch_size`, `patch_px`,
        `variant`, `augmentation`, `class_weights`, `seed` and `fold`, which may stand beside
        `dataset` as well; what is left open is chosen for the pictures and the machine. Where
        another training runs, this one waits for its turn.
        """
        actor = asked_by(request, "models.train")
        given = _wished(await json_fields(request))
        job = await in_thread(lambda: desk.workbench().trainings.start(actor, **given))
        root = str(request.scope.get("root_path", ""))
        address = f"{root}/ai/status?job={job.id}"
        return JSONResponse(
            {**job_document(job), "progress_at": address},
            status_code=202,
            headers={"Location": address},
        )

    @router.get("/status")
    async def status(request: Request) -> Response:
        """Tell how the training that runs is getting on (or `job`), and which model is used.

        `training` is null where none runs; `waiting` is how many wait for their turn.
        """
        actor = asked_by(request, "models.view")
        named = request.query_params.get("job", "")
        return JSONResponse(await in_thread(lambda: _status(desk.workbench(), actor, named)))


def _add_predicting(router: APIRouter, desk: Desk) -> None:
    asking = Threads(_AT_ONCE)
    fields = dict.fromkeys(_ASKED, "string")

    @router.post("/predict", openapi_extra=body(**fields))
    async def predict(request: Request) -> Response:
        """Ask a model about `image_id`, `image` (a data URI), or a picture sent as a form's file.

        `model` is its id, the active one without it. The answer has the mask as a grey PNG, a data
        URI, whose values are the places of `classes`, and what was measured in it; with `form` it
        is a file instead: `mask`, `overlay`, `uncertainty`, `classes`, `objects`, `geojson`,
        `coco`, `nifti` or `probabilities`. The answer about a stored picture is kept, nothing of a
        picture that is sent.
        """
        actor = asked_by(request, "models.predict")
        given = await _asked(request, desk.settings)
        return await asking.run(lambda: _predicted(desk, actor, given))


def _wished(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a training; single wishes may stand beside the dataset."""
    nested = sent.get("wishes", {})
    if not isinstance(nested, dict):
        raise RequestError(f"'wishes' must be an object, but is a {type(nested).__name__}.")
    beside = {name: value for name, value in sent.items() if name not in _NAMES}
    if twice := sorted(set(beside) & set(nested)):
        raise RequestError(f"{twice[0][:40]!r} is named twice; send it once, in 'wishes'.")
    named = "dataset_id" if "dataset_id" in sent and "dataset" not in sent else "dataset"
    return {
        "dataset_id": text_of(sent, named, longest=128),
        "version": text_of(sent, "version", longest=64, otherwise=""),
        "name": text_of(sent, "name", longest=120, otherwise=""),
        "wishes": {**nested, **beside},
    }


def _status(workbench: Workbench, actor: Actor, named: str) -> dict[str, Any]:
    trainings = workbench.trainings
    known = trainings.list(actor)
    running = trainings.running(actor)
    shown = named or (running.id if running else "")
    active = workbench.models.active()
    is_busy = running is not None
    return {
        "training": _training(trainings.progress(actor, shown)) if shown else None,
        "waiting": max(0, sum(job.state in _STATES for job in known) - is_busy),
        "model": _model(active) if active else None,
    }


def _training(progress: Progress) -> dict[str, Any]:
    """Return the job with where its training stands; figures are null before there are any."""
    step, epochs, finished = progress.latest, progress.epochs, progress.finished
    newest = epochs[-1] if epochs else {}
    return {
        **job_document(progress.job),
        "paused": progress.is_paused,
        "prepared": _pair(progress.preparing),
        "evaluated": _pair(progress.evaluating),
        "epoch": newest.get("epoch", 0),
        "epochs": newest.get("epochs"),
        **{
            name: step.get(name)
            for name in ("step", "steps", "loss", "learning_rate", "pictures_per_s", "memory_mb")
        },
        "eta_s": None if finished else step.get("eta_s"),
        "validation": {
            name: newest.get(name) for name in ("validation_loss", "mean_dice", "dice", "iou")
        },
        "curve": [{name: one.get(name) for name in _CURVE} for one in epochs],
        "stopped": progress.stopped or None,
        "metrics": finished.get("metrics"),
        "model_id": progress.model_id or None,
    }


def _pair(done_of: tuple[int, int]) -> dict[str, int]:
    return {"done": done_of[0], "total": done_of[1]}


def _model(model: ModelRecord) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "version": model.version,
        "stage": model.stage,
        "classes": list(model.card.get("classes", ())),
        "dataset_id": model.dataset_id,
        "metrics": model.metrics,
        "trained_at": model.trained_at.isoformat() if model.trained_at else None,
    }


async def _asked(request: Request, settings: Settings) -> dict[str, Any]:
    """Return the fields of a question; a form's file is the field ``file``."""
    if is_multipart(request.headers.get("content-type", "")):
        form = await read_pictures(request, settings)
        if len(form.pictures) != 1:
            raise RequestError(
                f"Expected one picture in the part 'file', but {len(form.pictures)} came; to ask "
                "about many, start the task predict_pictures."
            )
        sent = form.pictures[0]
        return {**_known(form.texts), "file": sent.data, "name": sent.name}
    data = await read_limited(
        request.stream(),
        max_bytes=settings.max_upload_mb * 1_000_000 * 4 // 3 + 64_000,
        declared=request.headers.get("content-length"),
    )
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"The body must be JSON or a form, but it cannot be read ({type(error).__name__}); "
            "send it with Content-Type: application/json."
        ) from error
    if not isinstance(document, dict):
        raise RequestError(f"The body must be a JSON object, but is a {type(document).__name__}.")
    return _known(document)


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(fields) - set(_ASKED)):
        raise RequestError(f"{unknown[0][:40]!r} is no field here; fields are {', '.join(_ASKED)}.")
    return dict(fields)


def _predicted(desk: Desk, actor: Actor, given: Mapping[str, Any]) -> Response:
    from engine.catalogue.predicting.forms import form_of
    from engine.imaging import pictures

    form = form_of(given["form"]) if given.get("form") else None
    model_id = text_of(given, "model", longest=128, otherwise="")
    sources = [name for name in ("file", "image", "image_id") if given.get(name) is not None]
    if len(sources) != 1:
        raise RequestError("Expected one of image, image_id or a file, to say where to look.")
    if sources == ["image_id"]:
        image_id = text_of(given, "image_id", longest=128)
        return _about_stored(desk.workbench(), actor, model_id, image_id, form)
    most = desk.settings.max_upload_mb * 1_000_000
    is_file = sources == ["file"]
    data = given["file"] if is_file else pictures.data_uri_bytes(given["image"], max_bytes=most)
    name = given["name"] if is_file else "picture"
    return _about_sent(desk.workbench(), actor, model_id, name, data, form)


def _about_stored(
    workbench: Workbench, actor: Actor, model_id: str, image_id: str, form: PredictionForm | None
) -> Response:
    """Ask about a stored picture; the answer is kept."""
    from engine.catalogue.predicting.predictions import AT_ONCE_PX

    predicting = workbench.predicting
    image = predicting.image(actor, image_id)
    if image.width_px * image.height_px > AT_ONCE_PX:
        raise TooLargeError(
            f"This picture has {image.width_px * image.height_px / 1e6:.0f} million pixels; one "
            f"request asks about at most {AT_ONCE_PX // 1_000_000}. Start the task "
            "predict_pictures with it."
        )
    made = predicting.predict(actor, model_id, image_id)
    if form is not None:
        return _file(predicting.export(actor, made.id, form))
    mask = predicting.export(actor, made.id, "mask")
    return JSONResponse(
        {
            "id": made.id,
            "image_id": image_id,
            **_answer(
                mask=mask,
                classes=made.classes,
                model={"id": made.model_id, "name": made.model},
                measures=made.measures,
                doubt=made.doubt,
                seconds=made.seconds,
            ),
        }
    )


def _about_sent(
    workbench: Workbench,
    actor: Actor,
    model_id: str,
    name: str,
    data: bytes,
    form: PredictionForm | None,
) -> Response:
    """Ask about a picture that came with the question; nothing of it is kept."""
    predicting = workbench.predicting
    looked = predicting.look(actor, model_id, data, name=name)
    if form is not None:
        return _file(predicting.export_of(actor, looked, form))
    mask = predicting.export_of(actor, looked, "mask")
    return JSONResponse(
        {
            "id": None,
            "image_id": None,
            **_answer(
                mask=mask,
                classes=looked.found.classes,
                model={"id": looked.model_id, "name": looked.found.model},
                measures=looked.measures,
                doubt=looked.doubt,
                seconds=looked.found.seconds,
            ),
        }
    )


def _answer(
    *,
    mask: Exported,
    classes: tuple[str, ...],
    model: Mapping[str, str],
    measures: Mapping[str, Any],
    doubt: float,
    seconds: float,
) -> dict[str, Any]:
    return {
        "model": dict(model),
        "classes": list(classes),
        "mask": f"data:image/png;base64,{base64.b64encode(mask.data).decode('ascii')}",
        "measures": measures,
        "uncertainty": round(doubt, 4),
        "processing_time_ms": round(1000 * seconds, 1),
    }


def _file(made: Exported) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(made.name)}"
    return Response(
        made.data, media_type=made.media_type, headers={"Content-Disposition": disposition}
    )

"""Pictures and their masks over HTTP: send, list, fetch."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, asked_by, in_thread, whole_of
from api.schemas import PROBLEMS
from api.sent_pictures import read_pictures
from engine.errors import RequestError
from engine.store.records import Image, Mask

__all__ = ["build_image_router"]

_FILE: Final = {"type": "string", "format": "binary"}


def _form(**parts: dict[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "required": ["file"], "properties": {"file": _FILE, **parts}}
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def build_image_router(desk: Desk) -> APIRouter:
    """Return ``/images/`` and ``/images/{id}/masks``."""
    router = APIRouter(tags=["images"], responses=PROBLEMS)

    @router.post("/images/", status_code=201, openapi_extra=_form(dataset_id={"type": "string"}))
    async def add(request: Request) -> Response:
        """Send pictures as a form, a part `file` for each; `dataset_id` says where they belong.

        One picture is answered with its record, several with `images`. What tells who or where in
        the files is left out and listed under `removed`.
        """
        actor = asked_by(request, "datasets.add")
        form = await read_pictures(request, desk.settings)
        sent = [(picture.name, picture.data) for picture in form.pictures]
        dataset = form.texts.get("dataset_id", "").strip()
        made = await in_thread(lambda: desk.workbench().images.add(actor, sent, dataset_id=dataset))
        told = [_image(request, image) for image in made]
        return JSONResponse(told[0] if len(told) == 1 else {"images": told}, status_code=201)

    @router.get("/images/")
    async def images(request: Request) -> Response:
        """List pictures, newest first; `dataset_id`, `page` (from 1) and `size` (at most 200)."""
        actor = asked_by(request, "datasets.view")
        asked = request.query_params
        page = whole_of(asked.get("page"), "page", otherwise=1, least=1, most=1_000_000)
        size = whole_of(asked.get("size"), "size", otherwise=50, least=1, most=200)
        dataset = asked.get("dataset_id", "")
        found = await in_thread(lambda: desk.workbench().images.list(actor, dataset_id=dataset))
        shown = found[(page - 1) * size : page * size]
        return JSONResponse(
            {
                "images": [_image(request, image) for image in shown],
                "count": len(found),
                "page": page,
                "pages": -(-len(found) // size),
            }
        )

    @router.get("/images/{image_id}/masks")
    async def masks(request: Request, image_id: str) -> Response:
        """List the revisions of a picture's mask, newest first; `file` is where its PNG is."""
        actor = asked_by(request, "masks.view")
        found = await in_thread(lambda: desk.workbench().images.masks(actor, image_id))
        return JSONResponse({"masks": [_mask(request, mask) for mask in found]})

    text = {"type": "string"}

    @router.post("/images/{image_id}/masks", status_code=201, openapi_extra=_form(comment=text))
    async def add_mask(request: Request, image_id: str) -> Response:
        """Send a mask as the next revision: a part `file`, a grey PNG of the picture's size.

        0 is background, 1 unhealthy, 2 healthy (or the classes of the dataset), 255 not annotated.
        """
        actor = asked_by(request, "masks.draw")
        form = await read_pictures(request, desk.settings)
        if len(form.pictures) != 1:
            raise RequestError(
                f"Expected one mask in the part 'file', but {len(form.pictures)} came."
            )
        data, comment = form.pictures[0].data, form.texts.get("comment", "")
        made = await in_thread(
            lambda: desk.workbench().images.add_mask(actor, image_id, data, comment=comment)
        )
        return JSONResponse(_mask(request, made), status_code=201)

    return router


def _image(request: Request, image: Image) -> dict[str, Any]:
    root = str(request.scope.get("root_path", ""))
    return {
        "id": image.id,
        "name": image.name,
        "dataset_id": image.dataset_id,
        "width": image.width_px,
        "height": image.height_px,
        "media_type": image.media_type,
        "size_bytes": image.size_bytes,
        "pixel_size_um": image.pixel_size_um,
        "group": image.group,
        "split": image.split,
        "status": image.status,
        "created_at": image.created_at.isoformat(),
        "removed": list(image.details.get("removed", ())),
        "file": f"{root}/files/{image.sha256}",
        "thumbnail": f"{root}/files/{image.thumbnail_sha256}" if image.thumbnail_sha256 else None,
    }


def _mask(request: Request, mask: Mask) -> dict[str, Any]:
    root = str(request.scope.get("root_path", ""))
    return {
        "id": mask.id,
        "image_id": mask.image_id,
        "revision": mask.revision,
        "author": mask.author,
        "at": mask.at.isoformat(),
        "parent": mask.parent,
        "origin": mask.origin,
        "state": mask.state,
        "comment": mask.comment,
        "counts": dict(mask.counts),
        "file": f"{root}/files/{mask.sha256}",
    }

"""Stored files by content hash (a link into S3 where they live there), and archives of backups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from api.asking import Desk, asked_by, in_thread
from api.schemas import PROBLEMS
from engine.catalogue.stored_files import require_file
from engine.errors import NotFoundError

__all__ = ["build_file_router"]

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[^A-Za-z0-9._ -]+")
_PIECE: Final = 1 << 20
_LINK_S: Final = 60


def build_file_router(desk: Desk) -> APIRouter:
    """Return ``GET /files/{sha256}`` and ``GET /api/v1/backups/{name}/archive``."""
    router = APIRouter(tags=["files"], responses=PROBLEMS)

    @router.get("/files/{sha256}", response_class=Response)
    async def download(request: Request, sha256: str) -> Response:
        """Download a stored file; `name` is what the browser should call it.

        It is there for whoever sees a picture, mask, dataset, model or job that names it.
        A file in object storage is answered with a redirect to a link that holds for a minute.
        """
        actor = asked_by(request, "files.read")
        if _HASH.fullmatch(sha256) is None:
            raise NotFoundError("A file is named by its SHA-256, 64 digits from 0 to f.")
        name = _file_name(request.query_params.get("name", ""), sha256)
        workbench = desk.workbench()
        files = workbench.files
        await in_thread(lambda: require_file(workbench.store, actor, sha256))
        if not await in_thread(lambda: files.exists(sha256)):
            raise NotFoundError("There is no file with this SHA-256, or not any more.")
        link = await in_thread(lambda: files.link(sha256, name=name, expires_s=_LINK_S))
        if link is not None:
            return RedirectResponse(link, status_code=303, headers={"Cache-Control": "no-store"})
        size = await in_thread(lambda: files.size(sha256))
        stream = await in_thread(lambda: files.open(sha256))
        return StreamingResponse(
            _pieces(stream),
            media_type="application/octet-stream",
            headers={
                "Content-Length": str(size),
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cache-Control": "private, no-cache",
                "ETag": f'"{sha256}"',
            },
        )

    @router.get("/api/v1/backups/{name}/archive", response_class=Response)
    async def archive(request: Request, name: str) -> Response:
        """Download the archive of a backup: everything that the server knows is in it."""
        actor = asked_by(request, "backups.restore")
        workbench = desk.workbench()
        path = await in_thread(lambda: workbench.backups.archive(name))
        await in_thread(
            lambda: workbench.audit.write(
                actor, "backups.restore", record=f"backups/{name}", text="Downloaded the archive"
            )
        )
        return FileResponse(
            path, media_type="application/octet-stream", filename=_file_name(path.name, "0" * 16)
        )

    return router


def _file_name(wanted: str, sha256: str) -> str:
    """Return a harmless name for the browser to save under."""
    name = _NAME.sub("_", wanted).strip(" .")[:120]
    return name or sha256[:16]


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece

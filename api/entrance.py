"""Puts the door and everything of ours that it needs on an application."""

from __future__ import annotations

from typing import Any, Final, cast

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer

from api.account_routes import build_account_router
from api.administration_routes import build_administration_router
from api.ai_routes import build_ai_router
from api.asking import Desk
from api.cell_routes import build_cell_router
from api.cors import allow_origins
from api.door import Door
from api.file_routes import build_file_router
from api.image_routes import build_image_router
from api.job_routes import build_job_router
from api.monitoring_routes import build_monitoring_router
from api.pages.frame import web_router
from api.pages.passwords import build_password_router
from api.pages.registering import build_registering_router
from api.pages.signing_in import build_signing_in_router
from api.patient_routes import build_patient_router
from api.sample_routes import build_sample_router
from engine.settings import Settings
from engine.workbench import shared_workbench

__all__ = ["add_door", "add_routes", "desk_of"]

# Only told: so that /docs has a place for the token. It is the door that asks for it.
_TOKEN: Final = HTTPBearer(
    auto_error=False, description="Of POST /api/v1/login, where the server asks for sign-in."
)


def desk_of(settings: Settings) -> Desk:
    """Return what the routes and the door of one process work with."""
    return Desk(settings=settings, workbench=lambda: shared_workbench(settings))


def add_routes(app: FastAPI, desk: Desk) -> None:
    """Add the plain routes of the studio."""
    for build in (
        build_account_router,
        build_job_router,
        build_file_router,
        build_image_router,
        build_monitoring_router,
        build_administration_router,
        build_cell_router,
        build_ai_router,
        build_patient_router,
        build_sample_router,
    ):
        app.include_router(build(desk), dependencies=[Security(_TOKEN)])


def add_door(app: FastAPI, desk: Desk) -> None:
    """Close the door in front of ``app`` and add the pages to open it; call it last of all."""
    app.include_router(web_router())
    app.include_router(build_signing_in_router(desk))
    app.include_router(build_registering_router(desk))
    app.include_router(build_password_router(desk))
    app.add_middleware(cast("Any", Door), settings=desk.settings, workbench=desk.workbench)
    allow_origins(app, desk.settings)

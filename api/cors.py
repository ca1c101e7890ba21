"""Which web pages of others may call us from a browser (CORS)."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from engine.settings import Settings

__all__ = ["allow_origins"]


def allow_origins(app: FastAPI, settings: Settings) -> None:
    """Let the pages of the settings call ``app``; add it last, so that refusals carry it too.

    They send a token where sign-in is asked for: a browser keeps our cookie from them.
    """
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After", "Location"],
        )

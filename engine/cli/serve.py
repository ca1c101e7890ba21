"""``lightbox serve``: everything on one port."""

from __future__ import annotations

import argparse
import os
import sys

from engine.cli.command import Command
from engine.settings import Settings

__all__ = ["SERVE"]


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (LIGHTBOX_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (LIGHTBOX_PORT)")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    import uvicorn

    from engine.eyes.screening import EyeScreener

    EyeScreener(settings).check()  # a wrong model folder is told before anything starts
    host, port = options.host or settings.host, options.port or settings.port
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104 – compared
    print(f"Lightbox starts at http://{shown}:{port}", file=sys.stderr)
    # The application reads the settings again, and prints its own address.
    os.environ |= {"LIGHTBOX_HOST": host, "LIGHTBOX_PORT": str(port)}
    # Named by text: the command line knows that an application exists, not what is in it.
    uvicorn.run(
        "app:create_app",
        factory=True,
        host=host,
        port=port,
        root_path=settings.root_path,
        log_level=settings.log_level.lower(),
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=5,
        server_header=False,
        # What a proxy says about the visitor is believed by the door, and only where it is set.
        proxy_headers=False,
    )
    return 0


SERVE = Command(
    name="serve",
    help="serve everything on one port",
    add_options=_add_options,
    run=_run,
    runs_on=True,
)

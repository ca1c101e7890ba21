"""What runs beside the pages for as long as the server does: monitor, worker, backup at the end."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from anyio import CancelScope

from api.asking import Desk, in_thread
from engine.errors import LightboxError

__all__ = ["at_work"]

_log = logging.getLogger(__name__)
_LINK = re.compile(r"/first/[^/\s?\"]+")


@asynccontextmanager
async def at_work(desk: Desk) -> AsyncIterator[None]:
    """Open the workbench, watch, supervise one worker; keep a backup when the server stops.

    A damaged store keeps no page from saying so: the server starts all the same.
    """
    from engine.jobs import Supervisor

    logging.getLogger("uvicorn.access").addFilter(_without_links)
    supervisor = Supervisor(desk.settings)
    await in_thread(lambda: _open(desk))
    supervisor.start()
    try:
        yield
    finally:
        with CancelScope(shield=True):
            await in_thread(supervisor.stop)
            await in_thread(lambda: _close(desk))


def _open(desk: Desk) -> None:
    with _going_on("The monitor did not start"):
        desk.workbench().monitor.start()
    if desk.settings.auth:
        with _going_on("There is no administrator"):
            _show_first_link(desk, desk.workbench().accounts.ensure_first_administrator())


def _show_first_link(desk: Desk, token: str | None) -> None:
    if token is not None:
        # To the terminal and not to the log, which may be kept: who has the link is administrator.
        sys.stderr.write(
            "Choose the first administrator's password within 24 hours at "
            f"{_own_address(desk)}/first/{token}\n"
        )
        sys.stderr.flush()


def _own_address(desk: Desk) -> str:
    host = desk.settings.host
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host  # noqa: S104 – compared
    return f"http://{shown}:{desk.settings.port}{desk.settings.root_path}"


def _close(desk: Desk) -> None:
    with _going_on("No backup was made before shutdown"):
        desk.workbench().backups.before_shutdown()
    desk.workbench().close()


@contextmanager
def _going_on(what: str) -> Iterator[None]:
    """Log what fails and go on: a part that is damaged must not keep the others from working."""
    try:
        yield
    except LightboxError as error:
        _log.error("%s: %s", what, error)
    except Exception:  # noqa: BLE001 – logged in full; the pages that work stay up
        _log.exception("%s.", what)


def _without_links(record: logging.LogRecord) -> bool:
    """Take the token of a one-time link out of a line of the access log; keep the line."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _LINK.sub("/first/…", one) if isinstance(one, str) else one for one in record.args
        )
    return True

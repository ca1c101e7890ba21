"""What a caller is told when something goes wrong: a status, a stable code and a sentence.

Only a :class:`~engine.errors.LightboxError` is shown. Anything else is a bug: it is logged in full
and answered with one general sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from starlette.responses import JSONResponse

from engine.errors import (
    BusyError,
    DiskShortError,
    InputError,
    LightboxError,
    MemoryShortError,
    MissingBackendError,
    ModelError,
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    PictureError,
    RemoteError,
    RequestError,
    StoreError,
    TooLargeError,
    VolumeError,
)

__all__ = ["OUR_FAULT", "Problem", "ToldError", "problem_from_code", "problem_of", "response_of"]

OUR_FAULT: Final = (
    "Something went wrong on our side and was logged; try again, and tell the operator if it stays."
)

# The first class that matches decides, so the special ones come first.
_STATUSES: Final[tuple[tuple[type[LightboxError], int], ...]] = (
    (RequestError, 422),
    (TooLargeError, 413),
    (NotFoundError, 404),
    (NotSignedInError, 401),
    (NotAllowedError, 403),
    (InputError, 400),
    (MissingBackendError, 409),
    (RemoteError, 502),
    (StoreError, 503),
    (BusyError, 429),
    (MemoryShortError, 507),
    (DiskShortError, 507),
)

# Errors that may come out of another process, as the code and the sentence that it printed.
_FROM_AFAR: Final[tuple[type[LightboxError], ...]] = (
    RequestError,
    PictureError,
    VolumeError,
    TooLargeError,
    NotFoundError,
    NotAllowedError,
    InputError,
    MemoryShortError,
    DiskShortError,
    MissingBackendError,
    ModelError,
)

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One failed request as the caller sees it; ``code`` is stable and meant for programs."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, dict[str, str]]:
        """The JSON body."""
        return {"error": {"code": self.code, "message": self.message}}


@final
class ToldError(LightboxError):
    """An error that happened in another process, with what to answer for it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def problem_of(error: Exception) -> Problem:
    """Return what to answer for ``error``; an unexpected one is logged with its traceback.

    >>> from engine.errors import PictureError
    >>> problem_of(PictureError("This file is empty.")).status
    400
    """
    if isinstance(error, ToldError):
        return error.problem
    if not isinstance(error, LightboxError):
        _log.error("A request failed unexpectedly.", exc_info=error)
        return Problem(status=500, code="server_error", message=OUR_FAULT)
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    if status == 500:
        _log.error("A request failed: %s", error)
    return Problem(status=status, code=error.code, message=str(error), headers=_headers(error))


def _headers(error: LightboxError) -> dict[str, str]:
    if isinstance(error, BusyError):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, NotSignedInError):
        return {"WWW-Authenticate": 'Bearer realm="Lightbox"'}
    return {}


def problem_from_code(code: str, message: str) -> Problem:
    """Return what to answer for an error that another process has told.

    What is neither the caller's fault nor a matter of room is a server error, whose sentence was
    made by the engine and may be shown.

    >>> problem_from_code("bad_volume", "The file is empty.").status
    400
    >>> problem_from_code("worker_died", "The worker ended; try again.").status
    500
    """
    kind = next((kind for kind in _FROM_AFAR if kind.code == code), None)
    status = next((status for base, status in _STATUSES if kind and issubclass(kind, base)), 500)
    return Problem(status=status, code=code, message=message)


def response_of(error: Exception) -> JSONResponse:
    """Return :func:`problem_of` as an HTTP answer."""
    problem = problem_of(error)
    return JSONResponse(problem.document, status_code=problem.status, headers=problem.headers)

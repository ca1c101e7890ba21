"""Asks an external model over HTTP: one picture there, one answer back.

What goes out is a PNG of the pixels alone, without metadata or file name, and the key in a header.
No redirect is followed, because the key would go along. Nothing that was sent is ever logged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, final
from urllib.parse import urlsplit

import httpx

from engine.errors import RemoteError, SettingsError
from engine.jobs.external.patience import ATTEMPTS, asked_wait_s, pause_s
from engine.settings import Settings

__all__ = ["ModelClient"]

_log = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.05
_LARGEST_ANSWER: Final = 16_000_000
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TOLD: Final = {
    400: "it could not use the picture",
    401: "it does not accept the key; correct LIGHTBOX_MODEL_API_KEY",
    403: "it does not accept the key; correct LIGHTBOX_MODEL_API_KEY",
    404: "there is no model at that address; correct LIGHTBOX_MODEL_API_URL",
    413: "the picture is too large for it",
    415: "it does not take PNG pictures",
    422: "it could not use the picture",
}


@final
class _AttemptError(Exception):
    """One attempt failed: why, whether another may help, and after how long it was asked for."""

    def __init__(self, reason: str, *, again: bool, asked_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.asked_s = asked_s


@final
class ModelClient:
    """The model of ``LIGHTBOX_MODEL_API_URL``.

    Parameters
    ----------
    settings
        Address, key and patience.
    sleep
        Waits, between attempts and a little at a time during them; what it raises ends the asking.

    Raises
    ------
    SettingsError
        When no address is set.
    """

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not settings.model_api_url:
            raise SettingsError(
                "LIGHTBOX_MODEL_API_URL is not set; set it to the address of a model that finds "
                "cells."
            )
        self._url = settings.model_api_url
        self._host = urlsplit(self._url).hostname or "the address"
        self._key = settings.model_api_key
        self._timeout_s = float(settings.model_api_timeout_s)
        self._sleep = sleep
        # These tell whole addresses, and an address may hold a key.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def ask(self, png: bytes) -> bytes:
        """Send a picture and return the answer's bytes, after as many attempts as make sense.

        Raises
        ------
        RemoteError
            When the model did not answer in time, refused, or failed to the last attempt.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._in_time(png)
            except _AttemptError as failed:
                if not failed.again or attempt == ATTEMPTS:
                    raise self._told(failed, attempt) from None
                wait_s = pause_s(attempt, failed.asked_s)
                _log.warning(
                    "%s: %s; attempt %d of %d in %.1f s",
                    *(self._host, failed.reason, attempt + 1, ATTEMPTS, wait_s),
                )
                self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _in_time(self, png: bytes) -> bytes:
        """Make one attempt in a thread that is left behind when it does not end.

        A socket's own time-out begins anew with each byte: a server that sends one now and then
        would hold us for ever.
        """
        answer: Future[bytes] = Future()

        def attempt() -> None:
            try:
                answer.set_result(self._once(png))
            except Exception as error:  # noqa: BLE001 – it is raised again where it is waited for
                answer.set_exception(error)

        threading.Thread(target=attempt, name="external model", daemon=True).start()
        deadline = time.monotonic() + self._timeout_s
        while not answer.done():
            if time.monotonic() > deadline:
                raise self._silent()
            self._sleep(_LOOK_EVERY_S)
        return answer.result()

    def _once(self, png: bytes) -> bytes:
        try:
            with (
                httpx.Client(timeout=self._timeout_s, follow_redirects=False) as client,
                client.stream("POST", self._url, content=png, headers=self._headers()) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise _failure(response)
                return _body(response)
        except httpx.TimeoutException:
            raise self._silent() from None
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise _AttemptError(
                f"the connection failed ({type(error).__name__})", again=True
            ) from None

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "image/png",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def _silent(self) -> _AttemptError:
        return _AttemptError(f"it did not answer within {self._timeout_s:.0f} s", again=True)

    def _told(self, failed: _AttemptError, attempts: int) -> RemoteError:
        count = "once" if attempts == 1 else f"{attempts} times"
        return RemoteError(
            f"The external model at {self._host} was asked {count} without success: "
            f"{failed.reason}. The sample is unchanged; try again later."
        )


def _failure(response: httpx.Response) -> _AttemptError:
    status = response.status_code
    if response.is_redirect:
        reason = "it sends us to another address; set LIGHTBOX_MODEL_API_URL to the final one"
        return _AttemptError(reason, again=False)
    reason = f"it answered with status {status}"
    if status in _TOLD:
        reason += f", {_TOLD[status]}"
    return _AttemptError(reason, again=status in _AGAIN, asked_s=asked_wait_s(response.headers))


def _body(response: httpx.Response) -> bytes:
    """Return the answer while it is not too long."""
    if response.headers.get("content-encoding", "identity") != "identity":
        # We asked for none, and a small packed answer may unpack to any size.
        raise _AttemptError("its answer is packed, which we did not ask for", again=False)
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise _AttemptError(
                f"its answer is longer than {_LARGEST_ANSWER // 10**6} MB", again=False
            )
    return bytes(body)

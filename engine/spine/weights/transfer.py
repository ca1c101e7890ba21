"""One file over HTTP: continued after a break, tried again after a stall, stopped from outside.

Resuming follows RFC 9110: ``Range`` with ``If-Range``, so that a file that changed meanwhile is
sent from its beginning and never glued to the older half.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any, final

import httpx

import engine
from engine.errors import MissingBackendError, ModelError
from engine.spine.weights.parts import Origin, PartFile
from engine.spine.weights.space import require_space

__all__ = ["Moved", "Stopped", "Tuning", "WebFile", "open_client"]

_MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
"""Answers that a later try may change."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Patience with a server.

    A stall is a connection on which nothing comes. ``attempts`` in a row without one more byte end
    the download; each waits twice as long as the one before.
    """

    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    report_every_s: float = 0.25


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How many bytes are here; ``total`` is 0 when unknown. ``text`` tells of breaks."""

    here: int
    total: int
    text: str = ""


class Stopped(Exception):  # noqa: N818 – nothing failed: somebody asked for it
    """The download was stopped from outside."""


class _Again(Exception):  # noqa: N818 – a reason to try again, never seen outside
    """The attempt ended early; ``wait_s`` is what the server asked for."""

    def __init__(self, reason: str, *, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def open_client(tuning: Tuning) -> httpx.Client:
    """Return a client that follows redirects and the proxies of the environment."""
    return httpx.Client(
        follow_redirects=True,
        headers={"User-Agent": f"lightbox/{engine.__version__}", "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(tuning.stall_timeout_s, connect=tuning.connect_timeout_s),
    )


@final
class WebFile:
    """A file at an address that is fetched into a part file."""

    def __init__(self, address: str, part: PartFile, *, tuning: Tuning, stop: Event) -> None:
        self._address = address
        self._part = part
        self._tuning = tuning
        self._stop = stop
        self._stream: Any = None  # httpcore's network stream, for abort()

    def abort(self) -> None:
        """Wake a read that waits; called from another thread after ``stop`` was set."""
        stream = self._stream
        link = stream.get_extra_info("socket") if stream is not None else None
        if link is not None:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # already closed

    def fetch(self, client: httpx.Client) -> Iterator[Moved]:
        """Fetch what is missing; the part is complete when the iterator ends.

        Raises
        ------
        MissingBackendError
            When the server cannot be reached, has no such file, or breaks off too often.
        ModelError
            When something else than the file comes.
        DiskShortError
            When the disk is too small for it.
        Stopped
            When ``stop`` was set; what came is kept.
        """
        failures, best = 0, self._part.size
        while True:
            try:
                yield from self._attempt(client)
                return
            except (_Again, httpx.TransportError) as problem:
                self._check_stop()
                if self._part.size > best:
                    failures, best = 0, self._part.size
                failures += 1
                if failures >= self._patience(problem):
                    raise _given_up(self._address, problem) from problem
                yield from self._wait(failures, problem)

    # --- one attempt ---------------------------------------------------------------------------

    def _attempt(self, client: httpx.Client) -> Iterator[Moved]:
        self._check_stop()
        headers = self._range_headers()
        trace = {"trace": self._remember_connection}
        with client.stream("GET", self._address, headers=headers, extensions=trace) as answer:
            origin = self._begin(answer)
            if origin is None:
                return
            total = origin.total or 0
            require_space(self._part.path.parent, total - self._part.size, packed_bytes=total)
            yield from self._write(answer, origin)
        self._check_length(origin)

    def _range_headers(self) -> dict[str, str]:
        """Ask for the rest of the part that is here, if it belongs to this address."""
        origin, have = self._part.origin, self._part.size
        if origin is None or not have or origin.address != self._address:
            self._part.reset()
            return {}
        headers = {"Range": f"bytes={have}-"}
        if origin.validator:
            headers["If-Range"] = origin.validator
        return headers

    def _begin(self, answer: httpx.Response) -> Origin | None:
        """Return what comes now, the part being ready for it; None when nothing is missing."""
        _check_kind(answer, self._address)
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._check_end(answer)
            return None
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            return self._continued(answer)
        self._part.reset()  # the server sends all of it
        return Origin(
            address=self._address,
            total=_number(answer.headers.get("Content-Length")),
            validator=_validator(answer.headers),
        )

    def _continued(self, answer: httpx.Response) -> Origin:
        have, known = self._part.size, self._part.origin
        start, total = _content_range(answer.headers)
        fresh = Origin(address=self._address, total=total, validator=_validator(answer.headers))
        is_same = known is not None and start == have and known.total in (None, total)
        if not is_same or (known and fresh.validator and known.validator != fresh.validator):
            self._part.reset()
            raise _Again("the file on the server changed")
        return fresh

    def _check_end(self, answer: httpx.Response) -> None:
        """Nothing is left to send: right when the part is as long as the file, and the same."""
        total = _content_range(answer.headers)[1]
        known = self._part.origin
        validator = _validator(answer.headers)
        is_same = known is not None and validator in (None, known.validator)
        if total is None or total != self._part.size or not is_same:
            self._part.reset()
            raise _Again("the file on the server changed")

    def _write(self, answer: httpx.Response, origin: Origin) -> Iterator[Moved]:
        here, total = self._part.size, origin.total or 0
        is_start, reported = here == 0, 0.0
        with self._part.adding(origin) as stream:
            # As it comes: with a chunk size, what was gathered for a chunk is lost in a break.
            for chunk in answer.iter_raw():
                self._check_stop()
                if is_start:
                    _check_signature(chunk, self._address)
                    is_start = False
                stream.write(chunk)
                here += len(chunk)
                if time.monotonic() - reported >= self._tuning.report_every_s:
                    reported = time.monotonic()
                    yield Moved(here=here, total=total)
        yield Moved(here=here, total=total)

    def _check_length(self, origin: Origin) -> None:
        size = self._part.size
        if origin.total is not None and size != origin.total:
            if size > origin.total:
                self._part.reset()
            raise _Again(f"{size} of {origin.total} bytes came")
        if size == 0:
            raise _Again("nothing came")

    # --- between attempts ----------------------------------------------------------------------

    def _patience(self, problem: Exception) -> int:
        """Return how many attempts are worth it: few where no server was ever reached."""
        is_offline = isinstance(problem, httpx.ConnectError) and self._stream is None
        return min(2, self._tuning.attempts) if is_offline else self._tuning.attempts

    def _wait(self, failures: int, problem: Exception) -> Iterator[Moved]:
        asked_s = problem.wait_s if isinstance(problem, _Again) else 0.0
        wait_s = max(asked_s, self._tuning.first_wait_s * 2 ** (failures - 1))
        origin = self._part.origin
        yield Moved(
            here=self._part.size,
            total=(origin.total or 0) if origin else 0,
            text=f"The connection broke ({_reason(problem)}); attempt {failures + 1} follows.",
        )
        if self._stop.wait(min(wait_s, self._tuning.longest_wait_s)):
            raise Stopped

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _remember_connection(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info.get("return_value")


# --- what an answer says -------------------------------------------------------------------------


def _check_kind(answer: httpx.Response, address: str) -> None:
    """Refuse an answer that is not the file; raise _Again where a later one may be."""
    status = answer.status_code
    if address.startswith("https://") and answer.url.scheme != "https":
        raise ModelError(
            f"Expected the file over https, but {address} leads to {answer.url.scheme}; the file "
            "could be anybody's. Check LIGHTBOX_WEIGHTS_URL and the proxy."
        )
    if status in _MAY_PASS:
        wait_s = float(_number(answer.headers.get("Retry-After")) or 0)
        raise _Again(f"the server answered {status}", wait_s=wait_s)
    if status >= httpx.codes.BAD_REQUEST and status != 416:
        raise MissingBackendError(
            f"Expected a file at {address}, but the server answered {status}; check "
            "LIGHTBOX_WEIGHTS_URL, or the name of the release there."
        )
    if "html" in answer.headers.get("Content-Type", ""):
        raise _no_archive(address)
    coding = answer.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise ModelError(
            f"Expected the file as it is, but {address} sends it in {coding} encoding; a proxy "
            "changes what it passes on. Use another way to the server."
        )


def _check_signature(chunk: bytes, address: str) -> None:
    if not b"PK".startswith(chunk[:2]):
        raise _no_archive(address)


def _no_archive(address: str) -> ModelError:
    return ModelError(
        f"Expected a ZIP at {address}, but a web page or something else came; a proxy or a login "
        "page may stand between. Open the address in a browser to see what it says."
    )


def _validator(headers: httpx.Headers) -> str | None:
    """Return what identifies this very file; a weak ETag does not (RFC 9110, 8.8.1)."""
    tag: str | None = headers.get("ETag")
    date: str | None = headers.get("Last-Modified")
    return tag if tag and not tag.startswith("W/") else date


def _content_range(headers: httpx.Headers) -> tuple[int | None, int | None]:
    """Return the first byte and the whole length from ``bytes 100-199/1234``."""
    unit, _, rest = headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    if unit != "bytes":
        return None, None
    return _number(span.partition("-")[0]), _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None


def _given_up(address: str, problem: Exception) -> MissingBackendError:
    if isinstance(problem, httpx.ConnectError):
        return MissingBackendError(
            f"Expected to reach {httpx.URL(address).host} for {address}, but there is no "
            "connection; check the network and the proxy."
        )
    return MissingBackendError(
        f"The download of {address} broke off again and again (last: {_reason(problem)}); what "
        "came is kept and the next download continues there. Check the connection and start again."
    )


def _reason(problem: Exception) -> str:
    if isinstance(problem, httpx.TimeoutException):
        return "nothing came for a while"
    if isinstance(problem, httpx.ConnectError):
        return "the server cannot be reached"
    return str(problem) or type(problem).__name__

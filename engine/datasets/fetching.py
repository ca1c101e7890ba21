"""Fetches an upload from an address on the internet, and from nowhere else.

Names are looked up once and the connection goes to that very address, so that a name cannot point
to the internet when it is checked and into the house when it is used. Private, loopback, link-local
and other special addresses are refused; each redirect is checked as the first address was.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final
from urllib.parse import unquote, urljoin, urlsplit

from engine.errors import RemoteError, RequestError, TooLargeError

__all__ = ["FetchLimits", "Fetched", "fetch", "is_public"]

_BLOCK: Final = 1 << 18
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TIMEOUT_S: Final = 30.0
_PAGES: Final = ("text/html", "application/xhtml+xml")
_AGENT: Final = "Lightbox"
_BROKEN: Final = (OSError, http.client.HTTPException)

Progress = Callable[[int, int | None, str], object]
Allowance = Callable[[str], bool]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much is fetched, and from where. ``may_visit`` decides about an IP address."""

    max_bytes: int = 20_000_000_000
    max_redirects: int = 5
    attempts: int = 4
    may_visit: Allowance = field(default=lambda address: is_public(address))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that was fetched whole, and the name that its address gives it."""

    path: Path
    name: str
    size_bytes: int


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the internet, and not of this house or machine.

    >>> is_public("93.184.216.34"), is_public("127.0.0.1"), is_public("::ffff:10.0.0.1")
    (True, False, False)
    """
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        # An IPv4 address dressed as IPv6 (mapped, 6to4, NAT64, Teredo) leads where that one does.
        inner = ip.ipv4_mapped or ip.sixtofour or _nat64(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def fetch(
    url: str,
    folder: Path,
    *,
    limits: FetchLimits | None = None,
    progress: Progress = lambda *_: None,
) -> Fetched:
    """Fetch ``url`` into ``folder`` and go on where an earlier call stopped.

    ``progress`` gets bytes done, bytes in all (``None``: unknown) and a sentence; raising there
    stops the fetching, and what has come stays for the next call.

    Raises
    ------
    RequestError
        When the address is none of http(s), is private, or answers with a page.
    TooLargeError
        When there is more than ``limits.max_bytes``.
    RemoteError
        When the server does not answer, refuses, or breaks off again and again.
    """
    limits = limits or FetchLimits()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = _Part.of(folder, url)
    if part.done.exists():
        return Fetched(path=part.done, name=_name_of(url), size_bytes=part.done.stat().st_size)
    for attempt in range(limits.attempts):
        try:
            _fetch_rest(url, part, limits, progress)
            break
        except _BROKEN as problem:
            if attempt + 1 == limits.attempts:
                raise RemoteError(
                    f"{_host_of(url)} broke off {limits.attempts} times; try again later. What "
                    f"has come ({part.size() / 1e6:,.1f} MB) is kept."
                ) from problem
    part.partial.replace(part.done)
    return Fetched(path=part.done, name=_name_of(url), size_bytes=part.done.stat().st_size)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What has come so far, and the version of the file that it belongs to."""

    partial: Path
    notes: Path
    done: Path

    @classmethod
    def of(cls, folder: Path, url: str) -> _Part:
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        return cls(
            partial=folder / f"{name}.part",
            notes=folder / f"{name}.json",
            done=folder / f"{name}.whole",
        )

    def size(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def mark(self) -> str:
        """Return the ETag or date of what has come, empty when there is nothing to go on with."""
        try:
            return str(json.loads(self.notes.read_text())["mark"]) if self.size() else ""
        except (OSError, ValueError, KeyError):
            return ""


def _fetch_rest(url: str, part: _Part, limits: FetchLimits, progress: Progress) -> None:
    mark = part.mark()
    headers = {"User-Agent": _AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    start = part.size() if mark else 0
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": mark}
    connection, answer = _answer(url, headers, limits)
    try:
        is_rest = answer.status == 206 and start > 0 and _starts_at(answer, start)
        if answer.status == 416 and start:
            part.partial.unlink()
            raise http.client.HTTPException("the rest is not there")
        if answer.status not in (200, 206) or (answer.status == 206 and not is_rest):
            raise RemoteError(
                f"{_host_of(url)} answers {answer.status} {str(answer.reason)[:60]}; check the "
                "address in a browser."
            )
        _check_type(answer, url)
        done = start if is_rest else 0
        length = answer.getheader("Content-Length", "")
        total = done + int(length) if length.isdigit() else None
        _check_size(total or 0, limits)
        new_mark = answer.getheader("ETag") or answer.getheader("Last-Modified") or ""
        part.notes.write_text(json.dumps({"mark": "" if new_mark.startswith("W/") else new_mark}))
        with part.partial.open("ab" if is_rest else "wb") as out:
            while block := answer.read(_BLOCK):
                out.write(block)
                done += len(block)
                _check_size(done, limits)
                progress(done, total, _words(done, total))
            out.flush()
            os.fsync(out.fileno())
        if total is not None and done < total:
            raise http.client.IncompleteRead(b"", total - done)
    finally:
        connection.close()


def _answer(
    url: str, headers: dict[str, str], limits: FetchLimits
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Follow redirects, each checked, to an answer that is none."""
    for _ in range(limits.max_redirects + 1):
        connection, target = _connect(url, limits)
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if answer.status not in _REDIRECTS:
            return connection, answer
        place = answer.getheader("Location", "")
        connection.close()
        if not place:
            raise RemoteError(f"{_host_of(url)} redirects to nowhere; check the address.")
        after = urljoin(url, place)
        if urlsplit(url).scheme == "https" and urlsplit(after).scheme != "https":
            raise RequestError("The address leads from https to plain http, which is refused.")
        url = after
    raise RemoteError(f"The address redirects more than {limits.max_redirects} times.")


def _connect(url: str, limits: FetchLimits) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection to a checked address, and what to ask for."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise RequestError("The address is damaged; copy it again from the browser.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestError(
            f"Expected an address that starts with http:// or https://, but got {url[:60]!r}."
        )
    if parts.username or parts.password:
        raise RequestError("The address holds a name or password; use one without them.")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise RequestError("The address holds spaces or control characters; copy it again.")
    address = _address_of(parts.hostname, port, limits)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    stream = socket.create_connection((address, port), timeout=_TIMEOUT_S)
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=_TIMEOUT_S)
    if parts.scheme == "https":
        try:
            context = ssl.create_default_context()
            stream = context.wrap_socket(stream, server_hostname=parts.hostname)
        except (OSError, ssl.CertificateError):
            stream.close()
            raise
    connection.sock = stream
    connection.auto_open = 0  # never another look-up of the name
    return connection, _quoted(target)


def _address_of(host: str, port: int, limits: FetchLimits) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise RemoteError(
            f"There is no server called {host[:100]}; check the address and the connection."
        ) from problem
    addresses = [str(row[4][0]) for row in found]
    # One private address among several is enough to refuse: names that turn are an attack.
    if not addresses or not all(limits.may_visit(address) for address in addresses):
        raise RequestError(
            f"{host[:100]} is an address of a private network or of this machine, which is not "
            "fetched from; download the file and upload it instead."
        )
    return addresses[0]


def _quoted(target: str) -> str:
    return "".join(c if ord(c) < 128 else "".join(f"%{b:02X}" for b in c.encode()) for c in target)


def _starts_at(answer: http.client.HTTPResponse, start: int) -> bool:
    return answer.getheader("Content-Range", "").startswith(f"bytes {start}-")


def _check_type(answer: http.client.HTTPResponse, url: str) -> None:
    kind = answer.getheader("Content-Type", "").split(";")[0].strip().lower()
    if kind in _PAGES:
        raise RequestError(
            f"{_host_of(url)} answers with a page, not with a file; use the address of the "
            "download itself."
        )


def _check_size(size: int, limits: FetchLimits) -> None:
    if size > limits.max_bytes:
        raise TooLargeError(
            f"The file has more than {limits.max_bytes / 1e6:,.0f} MB; fetch it in parts, or raise "
            "the limit."
        )


def _words(done: int, total: int | None) -> str:
    return f"{done / 1e6:,.1f} MB" + (f" of {total / 1e6:,.1f} MB" if total else "")


def _host_of(url: str) -> str:
    return (urlsplit(url).hostname or "The server")[:100]


def _name_of(url: str) -> str:
    last = unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2]
    return re.sub(r"[\x00-\x1f]", "", last)[:200] or "download"

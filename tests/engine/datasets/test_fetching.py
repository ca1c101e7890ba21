"""Fetching from addresses: whole, resumed, limited, and never from inside the house."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.datasets.fetching import FetchLimits, fetch, is_public
from engine.errors import RemoteError, RequestError, TooLargeError

DATA = bytes(range(256)) * 4000
HERE = FetchLimits(may_visit=lambda address: address == "127.0.0.1")
"""The one allowance of these tests: this machine itself."""


class Answers(BaseHTTPRequestHandler):
    """A server that can break off, redirect and lie."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    breaks_left: ClassVar[int] = 0

    def do_GET(self) -> None:
        """Answer by the path."""
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/page":
            self._send(b"<html>", kind="text/html; charset=utf-8")
        elif self.path == "/gone":
            self.send_error(404)
        elif self.path == "/other.zip" and wanted:  # changed since: whole, in spite of the range
            self._send(DATA[::-1])
        else:
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self._send(DATA[start:], start=start)

    def _send(self, data: bytes, *, kind: str = "application/zip", start: int = 0) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        if type(self).breaks_left > 0:
            type(self).breaks_left -= 1
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
        return


@pytest.fixture
def address() -> Iterator[str]:
    """The address of such a server."""
    Answers.asked.clear()
    Answers.breaks_left = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_fetched_whole_and_once(tmp_path: Path, address: str) -> None:
    """All bytes come, progress is told, and a second call finds the file there."""
    told: list[tuple[int, int | None]] = []
    got = fetch(
        f"{address}/a%20set.zip?token=x",
        tmp_path,
        limits=HERE,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert got.path.read_bytes() == DATA
    assert got.name == "a set.zip"
    assert told[-1] == (len(DATA), len(DATA))
    fetch(f"{address}/a%20set.zip?token=x", tmp_path, limits=HERE)
    assert len(Answers.asked) == 1


def test_what_broke_off_goes_on_where_it_was(tmp_path: Path, address: str) -> None:
    """After a break the rest alone is asked for; after a stop by progress, too."""
    Answers.breaks_left = 1
    got = fetch(f"{address}/a.zip", tmp_path, limits=HERE)
    assert got.path.read_bytes() == DATA
    assert Answers.asked[1][1] == f"bytes={len(DATA) // 2}-"

    def stops(done: int, total: int | None, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(f"{address}/b.zip", tmp_path, limits=HERE, progress=stops)
    assert fetch(f"{address}/b.zip", tmp_path, limits=HERE).path.read_bytes() == DATA
    assert Answers.asked[-1][1] == "bytes=262144-"


def test_a_file_that_changed_is_fetched_anew(tmp_path: Path, address: str) -> None:
    """When the server sends the whole file instead of the rest, the old part is dropped."""
    Answers.breaks_left = 1
    got = fetch(f"{address}/other.zip", tmp_path, limits=HERE)
    assert got.path.read_bytes() == DATA[::-1]


def test_a_server_that_always_breaks_off_is_told(tmp_path: Path, address: str) -> None:
    """After four tries it is an error of the other side, and what has come is kept."""
    Answers.breaks_left = 99
    with pytest.raises(RemoteError, match="broke off 4 times"):
        fetch(f"{address}/a.zip", tmp_path, limits=HERE)
    Answers.breaks_left = 0
    assert fetch(f"{address}/a.zip", tmp_path, limits=HERE).path.read_bytes() == DATA


def test_limits_pages_and_refusals(tmp_path: Path, address: str) -> None:
    """Too large by its own word, a page instead of a file, an answer 404, redirects without end."""
    few = FetchLimits(max_bytes=1000, may_visit=HERE.may_visit)
    with pytest.raises(TooLargeError, match="more than"):
        fetch(f"{address}/a.zip", tmp_path, limits=few)
    with pytest.raises(RequestError, match="answers with a page"):
        fetch(f"{address}/page", tmp_path, limits=HERE)
    with pytest.raises(RemoteError, match="answers 404"):
        fetch(f"{address}/gone", tmp_path, limits=HERE)
    assert fetch(f"{address}/to//a.zip", tmp_path, limits=HERE).path.read_bytes() == DATA
    loop = f"{address}/to/" * 9 + "x"
    with pytest.raises(RemoteError, match="redirects more than 5 times"):
        fetch(loop, tmp_path, limits=HERE)


@pytest.mark.parametrize("place", ["http://10.0.0.1/x", "http://[::1]/x", "file:///etc/x"])
def test_redirects_into_the_house_are_refused(tmp_path: Path, address: str, place: str) -> None:
    """Each redirect is checked as the first address was."""
    with pytest.raises(RequestError, match=r"private network|http://"):
        fetch(f"{address}/to/{place}", tmp_path, limits=HERE)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost/x",
        "http://[::1]/x",
        "http://2130706433/x",
        "http://0/x",
        "http://169.254.169.254/latest/meta-data",
        "http://192.168.1.1/x",
        "http://[::ffff:10.0.0.1]/x",
    ],
)
def test_private_addresses_are_refused(tmp_path: Path, url: str) -> None:
    """No file from here, the house, or the cloud's own service, however they are written."""
    with pytest.raises(RequestError, match="private network"):
        fetch(url, tmp_path)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.org/x", "http://"),
        ("http://", "http://"),
        ("http://a:b@example.org/x", "name or password"),
        ("http://example.org:99999/x", "damaged"),
        ("http://example.org/x y", "spaces"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str, words: str) -> None:
    """An address that cannot be meant is refused before any name is looked up."""
    with pytest.raises(RequestError, match=words):
        fetch(url, tmp_path)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.9.9.9", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("nonsense", False),
    ],
)
def test_what_is_public(address: str, expected: bool) -> None:
    """Only addresses of the internet are, also when an IPv4 address is dressed as IPv6."""
    assert is_public(address) == expected

"""A release server that serves well, or badly in one chosen way; and archives to serve."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.spine.weights.catalogue import WeightsModel

__all__ = ["Release", "archive_of", "model_files", "serving", "zip_of"]

Handler = BaseHTTPRequestHandler
Fault = Callable[["Release", Handler], bool]
"""Answers a request for the archive itself and returns True, or leaves it to the good server."""


def model_files(model: WeightsModel, *, size: int = 300_000, seed: int = 0) -> dict[str, bytes]:
    """Return the files of a model with a checkpoint of about ``size`` bytes: name → contents."""
    noise = random.Random(seed).randbytes(size)
    inner = f"{model.folder}/{model.inner_folder}"
    return {
        f"{inner}/dataset.json": json.dumps({"labels": {"background": 0}}).encode(),
        f"{inner}/plans.json": json.dumps({"plans_name": "nnUNetPlans"}).encode(),
        f"{inner}/fold_0/checkpoint_final.pth": zip_of({"archive/data.pkl": noise}),
    }


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of some files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in files.items():
            # A fixed date, so that the same files are the same bytes.
            entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            archive.writestr(entry, contents, compress_type=zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def archive_of(model: WeightsModel, *, size: int = 300_000, seed: int = 0) -> bytes:
    """Return a good archive of a model."""
    return zip_of(model_files(model, size=size, seed=seed))


@dataclass(kw_only=True)
class Release:
    """What the server serves, and what it was asked for."""

    body: bytes
    tag: str | None = '"one"'
    checksum: str | None = None  # None: none published
    fault: Fault | None = None
    url: str = ""
    ranges: list[str | None] = field(default_factory=list)  # of each request for the archive
    agents: list[str | None] = field(default_factory=list)
    slow_s: float = 0.0  # before each 64 KB

    def publish(self) -> None:
        """Publish the true checksum beside the archive."""
        self.checksum = hashlib.sha256(self.body).hexdigest()


@contextmanager
def serving(release: Release) -> Iterator[Release]:
    """Serve a release on a free port; ``release.url`` is the base address."""

    class Answering(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 – the name is the library's
            _answer(release, self)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that go away are part of these tests."""

    server = Server(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    release.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield release
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send_head(handler: Handler, status: int, headers: Mapping[str, str | None]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()


def _answer(release: Release, handler: Handler) -> None:
    if handler.path.endswith(".sha256"):
        _send(handler, 200 if release.checksum else 404, (release.checksum or "none").encode())
        return
    asked = handler.headers.get("Range")
    release.ranges.append(asked)
    release.agents.append(handler.headers.get("User-Agent"))
    if release.fault is not None and release.fault(release, handler):
        handler.close_connection = True
        return
    _serve(release, handler, asked)


def _serve(release: Release, handler: Handler, asked: str | None) -> None:
    total = len(release.body)
    found = re.fullmatch(r"bytes=(\d+)-", asked or "")
    condition = handler.headers.get("If-Range")
    is_same = condition is None or condition == release.tag
    if found is None or not is_same:
        send_head(handler, 200, {"Content-Length": str(total), "ETag": release.tag})
        write_slowly(release, handler, release.body)
        return
    start = int(found.group(1))
    if start >= total:
        send_head(handler, 416, {"Content-Length": "0", "Content-Range": f"bytes */{total}"})
        return
    headers = {
        "Content-Length": str(total - start),
        "Content-Range": f"bytes {start}-{total - 1}/{total}",
        "ETag": release.tag,
    }
    send_head(handler, 206, headers)
    write_slowly(release, handler, release.body[start:])


def write_slowly(release: Release, handler: Handler, body: bytes) -> None:
    for start in range(0, len(body), 65_536):
        time.sleep(release.slow_s)
        handler.wfile.write(body[start : start + 65_536])


def _send(handler: Handler, status: int, body: bytes) -> None:
    send_head(handler, status, {"Content-Length": str(len(body))})
    handler.wfile.write(body)

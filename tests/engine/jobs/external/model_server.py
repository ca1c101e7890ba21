"""A model behind HTTP that does as it is told: answers, stalls, fails and lies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CELL = {"label": "RBC", "score": 0.9, "box": {"xmin": 2, "ymin": 3, "xmax": 12, "ymax": 9}}


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class ModelServer:
    """``answers`` are used one after the other; the last one again and again."""

    url: str
    answers: list[Callable[[BaseHTTPRequestHandler], None]]
    asked: list[Asked] = field(default_factory=list)


def reply(status: int = 200, body: Any = None, **headers: str) -> Callable[[Any], None]:
    """Answer with a status and a body: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        told = {"Content-Length": str(len(data)), **headers}
        for name, value in told.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def stall(seconds: float) -> Callable[[Any], None]:
    """Say nothing for a while, then close the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)

    return answer


def drip(piece: bytes, every_s: float, times: int) -> Callable[[Any], None]:
    """Send a little now and then, so that no single read takes long."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        try:
            for _ in range(times):
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(every_s)
        except OSError:
            return

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close without a word."""


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    """Promise more bytes than come."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"[{")


@contextmanager
def model_server(*answers: Callable[[Any], None]) -> Iterator[ModelServer]:
    """Serve on a free port until the context ends."""
    running = ModelServer(url="", answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            running.asked.append(Asked(self.path, dict(self.headers), body, time.monotonic()))
            answer = running.answers[0]
            if len(running.answers) > 1:
                running.answers.pop(0)
            self.close_connection = True
            answer(self)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running.url = f"http://127.0.0.1:{server.server_address[1]}/models/cells"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

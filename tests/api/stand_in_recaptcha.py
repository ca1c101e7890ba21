"""A stand-in for Google's reCAPTCHA: a real server on this machine that answers as documented."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

__all__ = ["SECRET", "Recaptcha", "recaptcha"]

SECRET = "the operator's secret"


class Recaptcha(ThreadingHTTPServer):
    """Accepts the answer ``a person``, once; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []
        self.mood = "well"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/siteverify"


@contextmanager
def recaptcha() -> Iterator[Recaptcha]:
    """Run one for as long as the block."""
    server = Recaptcha()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Recaptcha

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.asked.append(asked)
        if self.server.mood == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            return
        status, answer = self._answer(asked)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, asked: dict[str, str]) -> tuple[int, bytes]:
        if self.server.mood != "well":
            moods = {"broken": (500, b"oops"), "html": (200, b"<html>"), "list": (200, b"[]")}
            return moods[self.server.mood]
        if asked.get("secret") != SECRET:
            return 200, json.dumps(
                {"success": False, "error-codes": ["invalid-input-secret"]}
            ).encode()
        earlier = [one["response"] for one in self.server.asked[:-1] if "response" in one]
        if asked["response"] != "a person" or asked["response"] in earlier:
            return 200, json.dumps(
                {"success": False, "error-codes": ["timeout-or-duplicate"]}
            ).encode()
        return 200, json.dumps({"success": True, "hostname": "own.example"}).encode()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

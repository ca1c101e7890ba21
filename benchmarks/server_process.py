"""Start the real server as a user would, and stop it: shared by the benchmarks of the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import httpx
import psutil

__all__ = ["RunningServer", "running_server"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that answers at ``url``; ``started_s`` is the time until its first ``/health``."""

    url: str
    started_s: float
    process: subprocess.Popen[bytes]

    def memory_mb(self) -> float:
        """Return the resident memory of the server and its children, in MB."""
        root = psutil.Process(self.process.pid)
        parts = [root, *root.children(recursive=True)]
        return sum(part.memory_info().rss for part in parts) / 1e6


@contextmanager
def running_server(**environment: str) -> Iterator[RunningServer]:
    """Run ``lightbox serve`` on a free port with a home of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        command = [str(Path(sys.executable).with_name("lightbox")), "serve", "--port", str(port)]
        settings = {**os.environ, "LIGHTBOX_HOME": home, **environment}
        start = time.perf_counter()
        process = subprocess.Popen(command, env=settings, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(f"{url}/health", process, limit_s=120)
            yield RunningServer(url=url, started_s=time.perf_counter() - start, process=process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], *, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        try:
            if httpx.get(address, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"no answer from {address} within {limit_s} s")

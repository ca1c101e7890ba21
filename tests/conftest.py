"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import note_earlier
from tests.tiers import is_thorough, together, turn


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--thorough``: also the slow tests that have a quicker sibling."""
    parser.addoption("--thorough", action="store_true", help="run every test (make test-all)")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep the tests of a file together, and those that share servers; the longest come first."""
    from xdist.scheduler import LoadFileScheduling  # the plug-in need not be there

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    config.option.loadscopereorder = False  # ours is the order of the collection
    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the thorough tests, unless they, or files of them, were asked for."""
    items.sort(key=lambda item: turn(item.nodeid))
    asked = [part for part in config.args if ".py" in part]
    if config.getoption("--thorough") or asked:
        return
    left_out = [item for item in items if is_thorough(item.nodeid)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not is_thorough(item.nodeid)]


@pytest.fixture(autouse=True)
def _earlier_processes() -> None:
    """Let each test see the processes that it starts, and no others."""
    note_earlier()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real pictures, or skip the test with the reason."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LIGHTBOX_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real pictures at {folder}; set LIGHTBOX_TEST_DATA to test with them")
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A real ``lightbox serve`` on a free port, with a home of its own."""

    url: str
    home: Path
    log: Path
    process: subprocess.Popen[bytes]


def start_server(home: Path, **environment: str) -> Server:
    """Start ``lightbox serve`` as a user would and wait for its first health answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "server.log"
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "engine.cli", "serve", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "LIGHTBOX_HOME": str(home), **environment},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()}")
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK:
                return Server(url=url, home=home, log=log, process=process)
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"the server did not answer within 120 s: {log.read_text()}")


def stop_server(server: Server) -> int:
    """Stop it as Ctrl-C would and return its exit code."""
    server.process.send_signal(signal.SIGINT)
    try:
        return server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        return server.process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only ask it."""
    running = start_server(tmp_path_factory.mktemp("server") / "home")
    yield running
    stop_server(running)

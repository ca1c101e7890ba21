"""Nothing is sent anywhere when models are opened, run or exported."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Records every attempt to look up a host or to connect, and stops it.
WATCH = """
import sys
attempts = []
def watch(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect"}:
        attempts.append(f"{event} {arguments[-2:]}")
        raise OSError("no network in this test")
sys.addaudithook(watch)
"""

OPEN_AND_RUN = """
import numpy as np
from engine.inference import runtimes
card, runtime = runtimes.open_model(sys.argv[1])
runtime.run(np.zeros((2, *card.input.shape), np.float32))
from engine.inference.openvino_library import load_openvino
load_openvino()
"""

PLAIN_IMPORT = """
import openvino, time
time.sleep(1)
"""

REPORT = """
import json, threading
print(json.dumps({
    "attempts": attempts,
    "telemetry": sys.modules.get("openvino_telemetry") is not None,
    "torch": "torch" in sys.modules,
    "threads": [thread.name for thread in threading.enumerate() if not thread.daemon],
}))
"""


def watched(code: str, home: Path, *arguments: str) -> dict[str, object]:
    """Run code in a fresh process with an empty home folder and a watched network."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"CI", "TF_BUILD", "JENKINS_URL"}  # these alone would switch it off
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCH + code + REPORT, *arguments],
        env=environment | {"HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_opening_a_model_sends_nothing(openvino_folder: Path, tmp_path: Path) -> None:
    """No host is looked up, no client id is written, and torch is not loaded either."""
    home = tmp_path / "home"
    home.mkdir()
    report = watched(OPEN_AND_RUN, home, str(openvino_folder))
    assert report == {
        "attempts": [],
        "telemetry": False,
        "torch": False,
        "threads": ["MainThread"],
    }
    assert list(home.iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("openvino_telemetry") is None, reason="nothing to switch off"
)
def test_the_watch_would_notice(tmp_path: Path) -> None:
    """A plain import of the library writes its client id, so the test above can fail."""
    home = tmp_path / "home"
    home.mkdir()
    report = watched(PLAIN_IMPORT, home)
    assert report["telemetry"] or list(home.iterdir())

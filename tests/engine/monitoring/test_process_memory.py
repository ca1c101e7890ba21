"""Resident memory of the server and of what it started."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from engine.monitoring.process_memory import ProcessMeter

EATER = (
    "import sys; eaten = bytearray(b'x') * {mb} * 1_000_000; "
    "print('full', flush=True); sys.stdin.read()"
)


def test_a_child_that_eats_memory_moves_the_figure() -> None:
    """A child that holds 150 MB is counted, and is gone from the figure when it ends."""
    before = ProcessMeter().read()
    child = subprocess.Popen(
        [sys.executable, "-c", EATER.format(mb=150)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    meter = ProcessMeter()
    during = meter.read()
    child.communicate()
    after = meter.read()
    assert during.children == before.children + 1
    assert 150 < during.children_mb - before.children_mb < 250
    assert after.children == before.children


def test_own_memory_grows_with_what_we_hold() -> None:
    """Holding 100 MB more shows as 100 MB more, within a tenth."""
    meter = ProcessMeter()
    before = meter.read().own_mb
    held = np.ones(100_000_000, np.uint8)
    grown = meter.read().own_mb - before
    assert 90 < grown < 120
    assert held.size == 100_000_000

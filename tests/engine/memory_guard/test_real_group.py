"""Free memory inside a real control group, with a child that really eats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.memory_guard.limited_group import limited_group

ROOT = Path(__file__).parents[3]

EAT = """
import json, sys
from engine.memory_guard import MemoryGuard, free_memory_mb
before = free_memory_mb()
held = bytearray(int(sys.argv[1]) * 1_000_000)
held[::4096] = b"x" * len(held[::4096])
after = free_memory_mb()
guard = MemoryGuard(floor_mb=100)
try:
    guard.require(float(sys.argv[2]), what="the next step")
    said = ""
except Exception as error:
    said = str(error)
print(json.dumps({
    "total": before.total_mb, "source": before.source, "limit": before.limit_mb,
    "fell": before.available_mb - after.available_mb, "free": after.available_mb, "said": said,
}))
"""


def eaten(enter: str, mb: int, more_mb: int) -> dict:
    """Run the child inside a group and return what it saw."""
    command = ["sh", "-c", f'{enter}; exec "$@"', "sh", sys.executable, "-c", EAT]
    done = subprocess.run(
        [*command, str(mb), str(more_mb)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return json.loads(done.stdout)


def test_a_process_sees_its_groups_limit_and_what_it_eats() -> None:
    """In a real group of 400 MB, taking 150 MB leaves 150 MB less, whatever the machine has."""
    with limited_group(400) as group:
        saw = eaten(group.enter, 150, 10)
        assert (saw["source"], saw["total"]) == (group.version, pytest.approx(400, abs=0.1))
        assert saw["limit"] == pytest.approx(400, abs=0.1)
        assert saw["fell"] == pytest.approx(150, abs=15)
        assert saw["said"] == ""


def test_a_step_that_would_not_fit_is_refused_before_the_kernel_would_kill() -> None:
    """With about 220 of 400 MB free and 100 to stay so, 200 more are refused with the figures."""
    with limited_group(400) as group:
        saw = eaten(group.enter, 150, 200)
        assert 150 < saw["free"] < 250
        assert "it needs about 200 MB and 100 MB must stay free" in saw["said"]
        assert f"of 400 MB are free ({group.version})" in saw["said"]

"""Cores are what the container may use, not what the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.inference.processors import usable_cores


@pytest.fixture
def no_group(tmp_path: Path) -> Path:
    """Return a path that does not exist, as on macOS."""
    return tmp_path / "nothing"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("garbage", 8),
        ("", 8),
        ("100000 0", 8),
    ],
)
def test_the_quota_of_version_2_limits(
    tmp_path: Path, no_group: Path, content: str, expected: int
) -> None:
    """cpu.max holds quota and period in µs; "max" is no limit; at least one core is left."""
    (tmp_path / "cpu.max").write_text(content)
    assert usable_cores(cgroup_root=tmp_path, own_cgroup=no_group, affinity=8) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8)])
def test_the_quota_of_version_1_limits(
    tmp_path: Path, no_group: Path, quota: str, expected: int
) -> None:
    """Version 1 keeps quota and period in two files below "cpu"; -1 is no limit."""
    folder = tmp_path / "cpu"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(cgroup_root=tmp_path, own_cgroup=no_group, affinity=8) == expected


def test_a_group_above_ours_limits_too(tmp_path: Path) -> None:
    """The smallest quota on the way from the root to our group counts."""
    group = tmp_path / "pods" / "one"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("max 100000")
    (tmp_path / "pods" / "cpu.max").write_text("400000 100000")
    own = tmp_path / "own"
    own.write_text("0::/pods/one\n")
    assert usable_cores(cgroup_root=tmp_path, own_cgroup=own, affinity=16) == 4


def test_affinity_limits(no_group: Path) -> None:
    """The scheduler's mask counts when it is smaller."""
    assert usable_cores(cgroup_root=no_group, own_cgroup=no_group, affinity=3) == 3


def test_this_machine_has_a_core() -> None:
    """The real answer is a positive number."""
    assert usable_cores() >= 1

"""Free memory as a container sees it: control groups built as files, and one real process."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from engine.errors import MemoryShortError
from engine.imaging.headers import read_header
from engine.memory_guard import (
    MemoryGuard,
    MemoryState,
    forecast_arrays_mb,
    forecast_decode_mb,
    free_memory_mb,
)

MB = 1_000_000


class _FakeMachine:
    """A file system with the kernel's files for one process."""

    def __init__(self, root: Path, *, total_mb: int = 64_000, available_mb: int = 50_000) -> None:
        self.root = root
        self.write(
            "proc/meminfo",
            f"MemTotal: {total_mb * MB // 1024} kB\nMemFree: 1 kB\n"
            f"MemAvailable: {available_mb * MB // 1024} kB\nSwapFree: {2000 * MB // 1024} kB\n",
        )

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def mount(self, line: str, own: str) -> None:
        self.write("proc/self/mountinfo", f"22 1 0:20 / /proc rw - proc proc rw\n{line}\n")
        self.write("proc/self/cgroup", own)

    def v2(self, group: str = "", **files: object) -> None:
        for name, value in files.items():
            self.write(f"sys/fs/cgroup/{group}/{name.replace('__', '.')}", f"{value}\n")

    def state(self) -> MemoryState:
        return free_memory_mb(root=self.root)


MOUNT_V2 = "31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw"


@pytest.fixture
def machine(tmp_path: Path) -> _FakeMachine:
    return _FakeMachine(tmp_path)


class TestVersion2:
    """Control groups of version 2."""

    def test_limit_of_the_container(self, machine: _FakeMachine) -> None:
        """4000 MB minus 1500 used, of which 300 are file pages that can go: 2800 are free."""
        machine.mount(MOUNT_V2, "0::/\n")
        machine.v2(
            memory__max=4000 * MB,
            memory__current=1500 * MB,
            memory__stat=f"anon 5\nactive_file 9\ninactive_file {300 * MB}\nslab 7",
        )
        state = machine.state()
        assert state.source == "cgroup v2"
        assert (state.total_mb, state.available_mb, state.limit_mb) == (4000, 2800, 4000)

    def test_the_tightest_ancestor_counts(self, machine: _FakeMachine) -> None:
        """The pod has no limit, its parent has 1000 MB with 700 used: 300 are free."""
        machine.mount(MOUNT_V2, "0::/slice/pod/container\n")
        machine.v2("slice", memory__max=1000 * MB, memory__current=700 * MB)
        machine.v2("slice/pod", memory__max="max", memory__current=600 * MB)
        machine.v2("slice/pod/container", memory__max=5000 * MB, memory__current=500 * MB)
        state = machine.state()
        assert (state.total_mb, state.available_mb, state.limit_mb) == (1000, 300, 1000)

    def test_the_fullest_group_counts_even_if_its_limit_is_larger(
        self, machine: _FakeMachine
    ) -> None:
        """3000 MB with 2900 used by neighbours leave 100, though our own limit leaves 900."""
        machine.mount(MOUNT_V2, "0::/slice/own\n")
        machine.v2("slice", memory__max=3000 * MB, memory__current=2900 * MB)
        machine.v2("slice/own", memory__max=1000 * MB, memory__current=100 * MB)
        assert machine.state().available_mb == 100

    def test_a_soft_limit_counts(self, machine: _FakeMachine) -> None:
        """Above memory.high the kernel stops a group nearly: it is taken as its limit."""
        machine.mount(MOUNT_V2, "0::/\n")
        machine.v2(memory__max="max", memory__high=800 * MB, memory__current=100 * MB)
        assert machine.state().available_mb == 700

    def test_a_limit_above_the_machine_is_none(self, machine: _FakeMachine) -> None:
        """A container that may use more than there is, gets what the machine has."""
        machine.mount(MOUNT_V2, "0::/\n")
        machine.v2(memory__max=900_000 * MB, memory__current=10 * MB)
        state = machine.state()
        assert state.source == "system"
        assert state.total_mb == pytest.approx(64_000, abs=1)
        assert state.available_mb == pytest.approx(50_000, abs=1)

    def test_a_container_s_own_view(self, machine: _FakeMachine) -> None:
        """With its own namespace a container sees its group as the top, whatever its real path."""
        mount = MOUNT_V2.replace("0:26 / ", "0:26 /docker/abc ")
        machine.mount(mount, "0::/docker/abc\n")
        machine.v2(memory__max=2000 * MB, memory__current=500 * MB)
        assert machine.state().available_mb == 1500

    def test_a_path_outside_the_namespace(self, machine: _FakeMachine) -> None:
        """A path that climbs out of what is mounted counts as the mount itself."""
        machine.mount(MOUNT_V2, "0::/../../other\n")
        machine.v2(memory__max=2000 * MB, memory__current=500 * MB)
        assert machine.state().available_mb == 1500

    def test_swap_is_reported_and_not_counted(self, machine: _FakeMachine) -> None:
        """Swap has its own figure, limited by the group; available memory leaves it out."""
        machine.mount(MOUNT_V2, "0::/\n")
        machine.v2(
            memory__max=1000 * MB,
            memory__current=400 * MB,
            memory__swap__max=100 * MB,
            memory__swap__current=30 * MB,
        )
        state = machine.state()
        assert (state.available_mb, state.swap_free_mb) == (600, 70)

    def test_more_used_than_allowed(self, machine: _FakeMachine) -> None:
        """A limit lowered below what is used leaves nothing, not less than nothing."""
        machine.mount(MOUNT_V2, "0::/\n")
        machine.v2(memory__max=100 * MB, memory__current=400 * MB)
        assert machine.state().available_mb == 0

    def test_a_mount_with_a_space_in_its_name(self, machine: _FakeMachine) -> None:
        r"""The kernel writes a space as ``\040``."""
        machine.mount(MOUNT_V2.replace("/sys/fs/cgroup", r"/mnt/my\040groups"), "0::/\n")
        machine.write("mnt/my groups/memory.max", f"{900 * MB}")
        machine.write("mnt/my groups/memory.current", f"{200 * MB}")
        assert machine.state().available_mb == 700


class TestVersion1:
    """Control groups of version 1, as older hosts have them."""

    MOUNT = (
        "35 31 0:33 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "36 31 0:34 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "41 31 0:39 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
    )
    OWN = "5:cpu:/x\n4:hugetlb,memory:/docker/abc/inner\n0::/\n"

    def _group(
        self, machine: _FakeMachine, path: str, limit: int, used: int, inactive: int
    ) -> None:
        folder = f"sys/fs/cgroup/memory/{path}"
        machine.write(f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        machine.write(f"{folder}/memory.usage_in_bytes", f"{used}\n")
        machine.write(f"{folder}/memory.stat", f"inactive_file 1\ntotal_inactive_file {inactive}\n")

    def test_nested_groups(self, machine: _FakeMachine) -> None:
        """The inner group has no limit (a number near 2⁶³), the outer 3000 MB with 1000 used."""
        machine.mount(self.MOUNT, self.OWN)
        self._group(machine, "", 3000 * MB, 1000 * MB, 200 * MB)
        self._group(machine, "inner", 9223372036854771712, 500 * MB, 0)
        state = machine.state()
        assert state.source == "cgroup v1"
        assert (state.total_mb, state.available_mb, state.limit_mb) == (3000, 2200, 3000)

    def test_no_limit_at_all(self, machine: _FakeMachine) -> None:
        """Without a limit anywhere the machine's own figures count."""
        machine.mount(self.MOUNT, self.OWN)
        self._group(machine, "", 9223372036854771712, 1000 * MB, 0)
        state = machine.state()
        assert (state.source, state.limit_mb) == ("system", None)


class TestMachine:
    """No control groups, or none that can be read."""

    def test_without_control_groups(self, machine: _FakeMachine) -> None:
        """The kernel's own estimate of what is available counts, not what lies idle."""
        state = machine.state()
        assert state.source == "system"
        assert state.available_mb == pytest.approx(50_000, abs=1)
        assert state.swap_free_mb == pytest.approx(2000, abs=1)

    def test_garbage_in_the_files_is_no_limit(self, machine: _FakeMachine) -> None:
        """Files that hold no number are as good as missing."""
        machine.mount(MOUNT_V2 + "\nnonsense\n- - -", "nonsense\n0::/\n::::\n")
        machine.v2(memory__max="lots", memory__current="", memory__stat="inactive_file many")
        assert machine.state().source == "system"

    def test_another_system_asks_psutil(self, tmp_path: Path) -> None:
        """Where there is no /proc, psutil answers."""
        state = free_memory_mb(root=tmp_path)
        assert state.total_mb == pytest.approx(psutil.virtual_memory().total / MB)
        assert 0 < state.available_mb <= state.total_mb

    def test_this_machine(self) -> None:
        """The real files of this machine give figures that fit together."""
        state = free_memory_mb()
        assert 0 < state.available_mb <= state.total_mb
        assert state.total_mb <= psutil.virtual_memory().total / MB + 1


HOLD = """
import sys
block = bytearray(int(sys.argv[1]))
block[::4096] = b"x" * len(block[::4096])
print("held", flush=True)
sys.stdin.read()
"""


def settles(condition: Callable[[float], bool], *, seconds: float = 20) -> bool:
    """Tell whether available memory meets a condition soon; other programs come and go."""
    end = time.monotonic() + seconds
    while not condition(free_memory_mb().available_mb):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def falls_by_what_is_held() -> bool:
    """Let a real process touch 400 MB, and tell whether available memory fell by about that."""
    before = free_memory_mb().available_mb
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(400 * MB)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout.readline() == b"held\n"
        has_fallen = settles(lambda free: 200 < before - free < 900, seconds=6)
        child.communicate(b"")
    return has_fallen


def test_memory_that_a_process_takes_is_missing_here() -> None:
    """Available memory falls by about what a process touches.

    The figure is the whole machine's, so another program may spoil one try; not three. When it
    comes back is the host's affair: a virtual machine may take its time.
    """
    assert any(falls_by_what_is_held() for _ in range(3))


def state_of(available_mb: float) -> MemoryState:
    return MemoryState(
        total_mb=4000,
        available_mb=available_mb,
        limit_mb=4000,
        swap_free_mb=0,
        source="cgroup v2",
    )


class TestGuard:
    """The floor, and the sentence before it is crossed."""

    def test_what_fits_is_let_through(self) -> None:
        """1000 free, 500 floor: 500 more just fit, and the state is handed back."""
        guard = MemoryGuard(read=lambda: state_of(1000))
        assert guard.require(500, what="a picture") == state_of(1000)
        assert guard.has_room(500)

    def test_one_too_many(self) -> None:
        """501 MB do not fit; the sentence holds step, need, floor, free, total and source."""
        guard = MemoryGuard(read=lambda: state_of(1000))
        assert not guard.has_room(501)
        with pytest.raises(
            MemoryShortError,
            match=r"decoding a picture: it needs about 501 MB and 500 MB must stay free, but only "
            r"1000 MB of 4000 MB are free \(cgroup v2\)\. Send something smaller",
        ):
            guard.require(501, what="decoding a picture")

    def test_floor_of_the_setting(self) -> None:
        """The floor is a parameter."""
        assert MemoryGuard(floor_mb=50, read=lambda: state_of(100)).has_room(50)

    def test_floor_during_a_step(self) -> None:
        """Asked for nothing more, the guard tells whether the floor still holds."""
        with pytest.raises(MemoryShortError, match="needs about 0 MB"):
            MemoryGuard(read=lambda: state_of(499)).require(0, what="training")

    def test_it_reads_each_time(self) -> None:
        """The state is never remembered."""
        left = iter([2000.0, 100.0])
        guard = MemoryGuard(read=lambda: state_of(next(left)))
        assert guard.has_room(100)
        assert not guard.has_room(100)

    def test_default_reads_this_machine(self) -> None:
        """Without a reader the guard asks this machine."""
        assert MemoryGuard(floor_mb=0).state().total_mb == free_memory_mb().total_mb


PEAK = """
import sys
from pathlib import Path
from engine.imaging import pictures
from engine.imaging.headers import read_header

data = Path(sys.argv[1]).read_bytes()
pictures.decode(Path(sys.argv[2]).read_bytes())  # libraries are loaded
Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
before = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
pictures.decode(data)
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
print((peak - before) / 1e6)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak memory")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_forecast_of_a_decode_covers_its_real_peak(kind: str, tmp_path: Path) -> None:
    """In a process of its own, decoding 6 megapixels takes at most what was forecast."""
    ramp = np.add.outer(np.arange(2000), np.arange(3000)) // 20
    picture = (ramp[..., np.newaxis] * [1, 2, 3] % 256).astype(np.uint8)
    files = []
    for name, pixels in (("large", picture), ("small", picture[:16, :16])):
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind)
        files.append(tmp_path / name)
        files[-1].write_bytes(file.getvalue())
    command = [sys.executable, "-c", PEAK, *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    needed = float(done.stdout)
    forecast = forecast_decode_mb(read_header(files[0].read_bytes()))
    assert 15 < needed <= forecast <= 3 * needed


def test_forecast_grows_with_depth() -> None:
    """16 bits per sample need more than 8, by two bytes per sample."""
    shallow, deep = (Image.fromarray(np.zeros((100, 100), kind)) for kind in (np.uint8, np.uint16))
    sizes = []
    for image in (shallow, deep):
        file = io.BytesIO()
        image.save(file, "PNG")
        sizes.append(forecast_decode_mb(read_header(file.getvalue())))
    assert sizes[1] - sizes[0] == pytest.approx(2 * 100 * 100 / MB)


def test_forecast_of_arrays() -> None:
    """2 × (8·3·128·144 + 10) float32 values are 2 × 4 × 442378 bytes."""
    forecast = forecast_arrays_mb((8, 3, 128, 144), (10,), itemsize=4, copies=2)
    assert forecast == pytest.approx(3.539024)

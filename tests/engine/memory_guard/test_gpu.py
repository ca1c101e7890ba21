"""Graphics memory through the driver's library: a stand-in of it compiled here, and none at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.memory_guard import gpu, gpu_memory

# The declarations are those of NVIDIA's nvml.h; two cards, the second of which has fallen off.
DRIVER = r"""
#include <string.h>
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    *device = (void *)(long)(index + 7); return index == 0 ? 0 : 15;
}
int nvmlDeviceGetMemoryInfo(void *device, nvmlMemory_t *memory) {
    if (device != (void *)7) return 2;
    memory->total = 16000000000ULL; memory->free = 15000000000ULL; memory->used = 1000000000ULL;
    return 0;
}
int nvmlDeviceGetName(void *device, char *name, unsigned int length) {
    strncpy(name, "Stand-in 16 GB", length); return 0;
}
"""


@pytest.fixture
def no_memory_of_drivers() -> Iterator[None]:
    """Let each test look for the driver anew."""
    gpu._library.cache_clear()
    yield
    gpu._library.cache_clear()


@pytest.mark.usefixtures("no_memory_of_drivers")
def test_a_machine_without_a_driver_has_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded and nothing fails where there is no such library."""
    monkeypatch.setattr(gpu, "_LIBRARIES", ("libno-such-library.so.1",))
    assert gpu_memory() == ()


@pytest.mark.usefixtures("no_memory_of_drivers")
def test_a_library_of_another_kind_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library without the functions is passed over."""
    monkeypatch.setattr(gpu, "_LIBRARIES", ("libc.so.6",))
    assert gpu_memory() == ()


@pytest.mark.usefixtures("no_memory_of_drivers")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_cards_are_read_through_the_drivers_own_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver with one good card and one that has fallen off: the good one with its figures."""
    source, library = tmp_path / "driver.c", tmp_path / "libdriver.so"
    source.write_text(DRIVER)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", os.fspath(library), os.fspath(source)], check=True
    )
    monkeypatch.setattr(gpu, "_LIBRARIES", (os.fspath(library),))
    (card,) = gpu_memory()
    assert (card.index, card.name) == (0, "Stand-in 16 GB")
    assert (card.total_mb, card.free_mb, card.used_mb) == (16_000, 15_000, 1_000)

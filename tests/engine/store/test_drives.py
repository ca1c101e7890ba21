"""Network drives are told from local disks."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from engine.store import Store, store
from engine.store.drives import network_drive

MOUNTS = [
    "/dev/vda / ext4 rw,relatime 0 0",
    "server:/export /home nfs4 rw 0 0",
    "/dev/vdb /home/ann ext4 rw 0 0",
    "//server/share /mnt/two\\040words cifs rw 0 0",
    "overlay /data overlay rw 0 0",
    "server:/data /data nfs rw 0 0",
    "damaged line",
]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/lib/lightbox", None),
        ("/home", "nfs4"),
        ("/home/bob/.lightbox", "nfs4"),
        ("/home/ann/.lightbox", None),
        ("/homes/bob", None),
        ("/mnt/two words/lightbox", "cifs"),
        ("/data/lightbox", "nfs"),
    ],
)
def test_the_deepest_mount_decides(folder: str, expected: str | None) -> None:
    """A local disk below a network drive is local; what was mounted over a place counts."""
    assert network_drive(Path(folder), MOUNTS) == expected


def test_this_machine_is_asked_without_mounts(tmp_path: Path) -> None:
    """The temporary folder of a test lies on a local disk."""
    assert network_drive(tmp_path) is None


def test_a_store_on_a_network_drive_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator is warned once, when the store is opened."""
    monkeypatch.setattr(store, "network_drive", lambda _: "nfs4")
    with caplog.at_level(logging.WARNING):
        Store(tmp_path)
    assert "lies on a network drive (nfs4), where file locks are not reliable" in caplog.text

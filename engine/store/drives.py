"""Whether a folder lies on a network drive, where file locks cannot be relied on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["network_drive"]

_NETWORK: Final = (
    *("9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre"),
    *("ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs", "vboxsf"),
    *("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs2", "fuse.gcsfuse"),
)
_MOUNTS: Final = Path("/proc/self/mounts")


def network_drive(folder: Path, mounts: Iterable[str] | None = None) -> str | None:
    """Return the kind of network drive that ``folder`` lies on, such as ``nfs4``, else ``None``.

    ``mounts`` are lines as in ``/proc/self/mounts``, which is read when none are given; where there
    is no such file, nothing is known and ``None`` is returned.
    """
    deepest, kind = 0, ""
    for line in _system_mounts() if mounts is None else mounts:
        fields = line.split()
        if len(fields) > 2:
            # Blanks in a name are written as octal numbers.
            place = Path(fields[1].replace("\\040", " "))
            if folder.is_relative_to(place) and len(place.parts) >= deepest:
                deepest, kind = len(place.parts), fields[2]  # of two at one place, the later one
    return kind if kind in _NETWORK else None


def _system_mounts() -> list[str]:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []

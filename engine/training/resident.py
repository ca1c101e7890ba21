"""How much memory this process holds for itself; pages of files that it reads do not count."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resident_mb"]


def resident_mb() -> float:
    """Return MB (10⁶ bytes) of anonymous memory; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    for line in lines:
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0

"""How much of a CT may be sent, from the settings."""

from __future__ import annotations

from engine.imaging.volume_files.results import VolumeLimits
from engine.settings import Settings

__all__ = ["limits_of"]


def limits_of(settings: Settings) -> VolumeLimits:
    """Return the limits of reading; a ZIP may unpack to three times what may be sent.

    >>> limits_of(Settings(max_volume_mb=100)).max_unpacked_bytes
    300000000
    """
    most = settings.max_volume_mb * 1_000_000
    return VolumeLimits(max_bytes=most, max_unpacked_bytes=3 * most)

"""How long a request may be, derived from the settings."""

from __future__ import annotations

from engine.settings import Settings

__all__ = ["body_limit"]


def body_limit(settings: Settings) -> int:
    """Return the most bytes of a JSON body: base64 makes four characters of three bytes.

    Two largest uploads fit, so that a list of frames has room while memory stays bounded.

    >>> body_limit(Settings(max_upload_mb=3))
    8064000
    """
    return 2 * settings.max_upload_mb * 1_000_000 * 4 // 3 + 64_000

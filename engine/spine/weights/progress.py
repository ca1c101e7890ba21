"""What somebody who downloads a model sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

__all__ = ["DownloadProgress", "DownloadStatus"]

DownloadStatus = Literal[
    "checking", "downloading", "verifying", "unpacking", "complete", "failed", "cancelled"
]
"""The last three end a download."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """One report. ``progress`` is in 0..1, MB are 10⁶ bytes; ``total_mb`` is 0 when unknown.

    ``text`` is for people: the state in words, or what failed and what to do about it. ``code``
    is that of the error.
    """

    status: DownloadStatus
    progress: float
    downloaded_mb: float
    total_mb: float
    text: str = ""
    code: str = ""

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.status in ("complete", "failed", "cancelled")

    def document(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        found: dict[str, Any] = {
            "status": self.status,
            "progress": round(self.progress, 4),
            "downloaded_mb": round(self.downloaded_mb, 1),
            "total_mb": round(self.total_mb, 1),
            "text": self.text,
        }
        if self.status == "failed":
            found["error"] = {"code": self.code, "message": self.text}
        return found

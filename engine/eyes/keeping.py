"""Keep the crops of eyes on disk, only where somebody asked for it by a setting."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from pathlib import Path

from engine.eyes.results import Screening
from engine.imaging import pictures

__all__ = ["keep_crops"]

_LOG = logging.getLogger(__name__)


def keep_crops(screening: Screening, folder: Path | None) -> tuple[Path, ...]:
    """Write the crop of each eye as PNG into ``folder``; nothing when it is ``None``.

    Names hold time, a random part, side and decision, nothing about the person. A folder that
    cannot be written is logged: it must not cost the visitor the answer.
    """
    if folder is None:
        return ()
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for finding in (screening.left, screening.right):
            if finding is not None:
                path = folder / f"{stem}-{finding.side}-{finding.decision}.png"
                path.write_bytes(pictures.encode_png(finding.crop))
                written.append(path)
    except OSError as error:
        _LOG.error("eye crops cannot be kept in %s: %s", folder, error.strerror)
    return tuple(written)

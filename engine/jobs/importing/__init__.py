"""What the task ``import_dataset`` does: areas read the upload, this joins them with the store."""

from __future__ import annotations

__all__: list[str] = []

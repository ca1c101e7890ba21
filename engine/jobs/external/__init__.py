"""An external model as a task: a sample's picture goes out, cells come back as annotations."""

from __future__ import annotations

__all__: list[str] = []

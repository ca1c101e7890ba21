"""The pieces of the audit page: filters, lines, one line with everything, check and export."""

from __future__ import annotations

__all__: list[str] = []

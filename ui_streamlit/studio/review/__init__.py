"""The pieces of the review page: queues, one picture with its decision, two readings compared."""

from __future__ import annotations

__all__: list[str] = []

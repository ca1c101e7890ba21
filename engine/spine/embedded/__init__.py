"""The finder that is always there: a small network that learnt from drawn spines alone."""

from __future__ import annotations

__all__: list[str] = []

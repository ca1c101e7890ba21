"""The pieces of the jobs page: what a job's state is called, which are listed, what may be done."""

from __future__ import annotations

__all__: list[str] = []

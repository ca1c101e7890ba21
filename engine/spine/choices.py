"""The words for who finds vertebrae and with which weights; nothing else, so that they are free."""

from __future__ import annotations

from typing import Literal

__all__ = ["BACKENDS", "TASKS", "Backend", "Task"]

Backend = Literal["embedded", "nnunet", "totalsegmentator"]
"""``embedded``: our own small network, always there. ``nnunet``: TotalSegmentator's weights in our
own prediction. ``totalsegmentator``: the same weights in TotalSegmentator itself."""

Task = Literal["total_fast", "total", "vertebrae_pp"]
"""Which weights the last two backends use: ``total_fast`` (3 mm), ``total`` (its vertebrae, at
1.5 mm), ``vertebrae_pp`` (bodies at 1.5 mm). The embedded network has no choice."""

BACKENDS: tuple[Backend, ...] = ("embedded", "nnunet", "totalsegmentator")
TASKS: tuple[Task, ...] = ("total_fast", "total", "vertebrae_pp")

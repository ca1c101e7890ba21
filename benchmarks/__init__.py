"""Side-by-side measurements against named peers: ``python -m benchmarks.NAME``.

Timings are ratios taken in one run, because machines differ and share their cores.
"""

from __future__ import annotations

__all__: list[str] = []

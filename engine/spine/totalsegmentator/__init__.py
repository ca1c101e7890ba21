"""TotalSegmentator itself, in a process of its own (Apache-2.0; cite 10.1148/ryai.230024).

Importing this package loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.totalsegmentator.segmenter import TotalSegmentatorSegmenter

__all__ = ["TotalSegmentatorSegmenter"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of the public name on first use."""
    if name != "TotalSegmentatorSegmenter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from engine.spine.totalsegmentator.segmenter import TotalSegmentatorSegmenter

    return TotalSegmentatorSegmenter

"""nnU-Net's spine networks without nnU-Net: TotalSegmentator's weights in OpenVINO, tile by tile.

The weights are converted once; after that neither torch nor nnunetv2 is loaded. Steps, rounding
and tiles are those of TotalSegmentator 2.18 and nnunetv2 2.8 (both Apache-2.0; cite
10.1148/ryai.230024 and 10.1038/s41592-020-01008-z), written anew: the same result in a fraction of
time and memory. Importing this package loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.spine.nnunet.segmenter import NnunetSegmenter

__all__ = ["NnunetSegmenter"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 – whatever the name stands for
    """Open the module of the public name on first use."""
    if name != "NnunetSegmenter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from engine.spine.nnunet.segmenter import NnunetSegmenter

    return NnunetSegmenter

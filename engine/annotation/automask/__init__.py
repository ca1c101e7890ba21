"""Proposals for a mask: learned from a few scribbles, found by stain and edge, or a model's.

Nothing here changes a mask. Each way gives a :class:`Proposal`, a layer of its own that a person
accepts as a whole, by class or by region; what was accepted is a stroke like any other, so it can
be undone, and it remembers where it came from.
"""

from __future__ import annotations

from engine.annotation.automask.accepting import (
    ProposedRegion,
    accept_all,
    accept_class,
    accept_region,
    open_regions,
)
from engine.annotation.automask.between import between
from engine.annotation.automask.classical import stained, tissue
from engine.annotation.automask.gaps import close_gaps
from engine.annotation.automask.proposals import Proposal
from engine.annotation.automask.provenance import Region, regions, whence
from engine.annotation.automask.scribbles import teach
from engine.annotation.automask.smart import smart_brush, wand
from engine.annotation.automask.uncertain import most_uncertain, over_picture

__all__ = [
    "Proposal",
    "ProposedRegion",
    "Region",
    "accept_all",
    "accept_class",
    "accept_region",
    "between",
    "close_gaps",
    "most_uncertain",
    "open_regions",
    "over_picture",
    "regions",
    "smart_brush",
    "stained",
    "teach",
    "tissue",
    "wand",
    "whence",
]

"""From a data set's own label table to our codes: by name, never by arithmetic on numbers.

``total`` counts from S1 upwards to C1, ``vertebrae_pp`` from C1 downwards; the names are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.spine.segmenters import LABEL_NAMES, SACRUM_CODE
from engine.spine.vertebrae import VERSE_CODES

__all__ = ["CodeTable", "code_table"]

_PREFIX: Final = "vertebrae_"
_SACRUM_NAMES: Final = ("sacrum", f"{_PREFIX}S1")
_FEWEST: Final = 12
"""A model that is meant for spines names at least this many vertebrae."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTable:
    """How a model's codes become ours.

    ``to_ours`` is ``(256,) uint8``: our code at each of the model's, 0 for what is no vertebra.
    ``vertebrae`` lists the model's codes of vertebrae, as model code → ours. ``anchors`` lists
    landmark → the model's codes, named as :func:`engine.spine.audit.find_anchors` wants them.
    """

    to_ours: NDArray[np.uint8]
    vertebrae: Mapping[int, int]
    anchors: Mapping[str, tuple[int, ...]]

    @property
    def vertebra_names(self) -> dict[int, str]:
        """The model's code of each vertebra → its name."""
        return {code: LABEL_NAMES[ours] for code, ours in self.vertebrae.items()}


def code_table(labels: Mapping[int, str], source: PurePath | str = "the model") -> CodeTable:
    """Return the table for a data set's ``labels``, code → name.

    >>> table = code_table({1: "liver", **{n: f"vertebrae_T{n - 1}" for n in range(2, 14)}})
    >>> int(table.to_ours[2]), int(table.to_ours[1]), table.anchors["liver"]
    (8, 0, (1,))

    Raises
    ------
    ModelError
        When the labels name hardly any vertebra, or one twice.
    """
    our_codes = {name: code for code, name in VERSE_CODES.items()}
    vertebrae = {
        code: our_codes[name.removeprefix(_PREFIX)]
        for code, name in labels.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) in our_codes
    }
    if len(vertebrae) < _FEWEST or len(set(vertebrae.values())) != len(vertebrae):
        raise ModelError(
            f"Expected labels of {source} that name vertebrae as '{_PREFIX}L5', each once, but "
            f"found {len(vertebrae)} such names among {len(labels)}; use the published weights of "
            "a spine model."
        )
    to_ours = np.zeros(256, np.uint8)
    for code, ours in vertebrae.items():
        to_ours[code] = ours
    for code, name in labels.items():
        if name in _SACRUM_NAMES:
            to_ours[code] = SACRUM_CODE
    return CodeTable(
        to_ours=to_ours,
        vertebrae=MappingProxyType(vertebrae),
        anchors=MappingProxyType(_anchors(labels)),
    )


def _anchors(labels: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    wanted: dict[str, Callable[[str], bool]] = {
        "liver": lambda name: name == "liver",
        "sacrum": lambda name: name == "sacrum",
        "S1": lambda name: name == f"{_PREFIX}S1",
        "skull": lambda name: name == "skull",
        "ribs": lambda name: name.startswith(("rib_left_", "rib_right_")),
    }
    found = {
        anchor: tuple(code for code, name in labels.items() if fits(name))
        for anchor, fits in wanted.items()
    }
    return {anchor: codes for anchor, codes in found.items() if codes}

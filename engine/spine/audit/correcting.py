"""Apply what the audit proposes: turn the scan, rename, remove copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.errors import RequestError
from engine.spine.audit.findings import Correction, NumberingAudit
from engine.spine.audit.orientation import turn_vertebra
from engine.spine.vertebrae import Vertebra

__all__ = ["apply_correction", "with_confidence"]


def apply_correction(vertebrae: Sequence[Vertebra], correction: Correction) -> tuple[Vertebra, ...]:
    """Return the vertebrae turned and renamed, without second copies.

    Merged and split objects keep their shape; they are flagged (``merged``, ``split``), since
    only a new segmentation can mend them.

    Raises
    ------
    RequestError
        When the correction was made for a list of another length.
    """
    _check_length(len(vertebrae), len(correction.labels))
    halves = {i for group in correction.split for i in group}
    corrected = []
    for i, vertebra in enumerate(vertebrae):
        if i in correction.remove:
            continue
        flags = vertebra.flags
        flags += ("merged",) * (i in correction.merged) + ("split",) * (i in halves)
        turned = turn_vertebra(vertebra, correction.axes)
        corrected.append(
            replace(turned, label=correction.labels[i], flags=tuple(dict.fromkeys(flags)))
        )
    return tuple(corrected)


def with_confidence(vertebrae: Sequence[Vertebra], audit: NumberingAudit) -> tuple[Vertebra, ...]:
    """Return the vertebrae with the audit's confidence and what it saw of the border.

    Raises
    ------
    RequestError
        When the audit was made for a list of another length.
    """
    _check_length(len(vertebrae), len(audit.confidences))
    return tuple(
        replace(vertebra, confidence=confidence, truncated=cut)
        for vertebra, confidence, cut in zip(
            vertebrae, audit.confidences, audit.truncated, strict=True
        )
    )


def _check_length(got: int, expected: int) -> None:
    if got != expected:
        raise RequestError(
            f"This belongs to a list of {expected} vertebrae, but got {got}; audit the list again."
        )

"""What each landmark in view says about the given names: counting down and counting up."""

from __future__ import annotations

from engine.spine.audit.anatomy import SACRUM, SKULL, VARIANTS
from engine.spine.audit.findings import AnchorReading
from engine.spine.audit.hypotheses import Hypothesis
from engine.spine.audit.rows import LaidOut

__all__ = ["read_landmarks"]

_REGULAR = VARIANTS[0].levels


def read_landmarks(laid_out: LaidOut, best: Hypothesis) -> tuple[AnchorReading, ...]:
    """Say for each landmark which name it gives to the object beside it."""
    readings = []
    for place, lock in enumerate(laid_out.row.locks):
        if lock == SACRUM:
            readings.append(_counted(laid_out, best, place, SACRUM, upwards=True))
        elif lock == SKULL:
            readings.append(_counted(laid_out, best, place, SKULL, upwards=False))
        elif lock == "C2":
            readings.append(_at(laid_out, place, "C2", "C2", "The dens of C2 is in view"))
    return tuple(r for r in (*readings, *_rib_readings(laid_out)) if r is not None)


def _counted(
    laid_out: LaidOut, best: Hypothesis, place: int, lock: str, *, upwards: bool
) -> AnchorReading | None:
    """Name the neighbour of a landmark by the number of levels between them."""
    neighbour = place - 1 if upwards else place + 1
    what = "sacrum" if lock == SACRUM else "skull"
    if laid_out.indices[place] >= 0:  # the landmark is itself one of the objects
        return _at(laid_out, place, "sacrum" if lock == SACRUM else "skull", lock, f"The {what}")
    if not 0 <= neighbour < len(laid_out.indices):
        return None
    apart = best.first[neighbour] - best.first[place]
    expected = _REGULAR[max(min(_REGULAR.index(lock) + apart, len(_REGULAR) - 1), 0)]
    counting = "upwards from the sacrum" if upwards else "downwards from the skull"
    return _at(
        laid_out, neighbour, "sacrum" if upwards else "skull", expected, f"Counting {counting}"
    )


def _at(laid_out: LaidOut, place: int, name: str, expected: str, lead: str) -> AnchorReading:
    given = laid_out.labels[place]
    agrees = given == expected
    says = f"confirms {expected}" if agrees else f"says that {given} of the list is {expected}"
    sentence = f"{lead} {says}."
    return AnchorReading(name=name, agrees=agrees, sentence=sentence)  # type: ignore[arg-type] # one of the literals


def _rib_readings(laid_out: LaidOut) -> list[AnchorReading]:
    """Call the last vertebra with a rib T12 when one without follows, the first T1 likewise."""
    ribs = laid_out.row.ribs
    bearing = [place for place, rib in enumerate(ribs) if rib == 1.0]
    if not bearing:
        return []
    readings = []
    first, last = bearing[0], bearing[-1]
    if last + 1 < len(ribs) and ribs[last + 1] == 0.0:
        readings.append(_at(laid_out, last, "lowest rib", "T12", "The lowest rib"))
    if first > 0 and ribs[first - 1] == 0.0:
        readings.append(_at(laid_out, first, "highest rib", "T1", "The highest rib"))
    return readings

"""Names of a row: right where an anchor is in view, honest where none is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.spine.audit import audit_numbering
from engine.spine.embedded.column import find_column
from engine.spine.embedded.landmarks import Landmarks, read_landmarks
from engine.spine.embedded.naming import Evidence, name_column, read_evidence
from engine.spine.embedded.segmenter import find_vertebrae
from engine.spine.embedded.targets import LEVELS, REGIONS
from engine.spine.phantoms import SpinePhantom
from engine.spine.vertebrae import VERSE_CODES, Vertebra
from tests.engine.spine.embedded.drawn_maps import drawn, maps_of, mediocre

SIZES_MM = {"C": 17.0, "T": 23.0, "L": 33.0}


def truth_of(phantom: SpinePhantom, centres: list[tuple[float, float, float]]) -> list[str]:
    """Return the name of the vertebra nearest to each centre."""
    places = np.array([one.centre_mm for one in phantom.vertebrae])
    return [
        phantom.vertebrae[int(np.linalg.norm(places - np.array(centre), axis=1).argmin())].label
        for centre in centres
    ]


def evidence_of(names: list[str], **changes: object) -> Evidence:
    """Return what a perfect reading of these bodies says, with no landmark but ribs in view."""
    count = len(names)
    ribs = np.array([[2.0, 2.0] if name[0] == "T" else [0.0, 0.0] for name in names])
    landmarks = Landmarks(
        sacrum_mm=None,
        sacrum_level=None,
        skull_mm=None,
        skull_level=None,
        room_above=0.5,
        room_below=0.5,
        ribs=ribs,
        rib_view=np.ones(count, bool),
        rib_heads_mm=((None, None),) * count,
        body_ml=np.zeros(count),
    )
    own = {key: value for key, value in changes.items() if hasattr(landmarks, key)}
    rest = {key: value for key, value in changes.items() if key not in own}
    evidence = Evidence(
        place=np.arange(count),
        level=np.array([LEVELS[name] for name in names]),
        region=np.array([[float(part == name[0]) for part in REGIONS] for name in names]),
        weight=np.ones(count),
        whole=np.ones(count, bool),
        steps_mm=np.array([SIZES_MM[name[0]] for name in names[:-1]]),
        landmarks=replace(landmarks, **own),
    )
    return replace(evidence, **rest)


def row(first: str, last: str) -> list[str]:
    """Return the names of a regular spine from one to another."""
    names = [VERSE_CODES[code] for code in range(1, 25)]
    return names[names.index(first) : names.index(last) + 1]


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6, 8, 10, 12])
def test_names_are_right_on_perfect_maps(seed: int) -> None:
    """On maps drawn from the truth of a regular spine, in any view, all names are right."""
    phantom = drawn(seed)
    found = find_vertebrae(maps_of(phantom))
    assert list(found.names) == truth_of(phantom, [body.centre_mm for body in found.bodies])


def test_mediocre_maps_keep_names_where_an_anchor_is_in_view() -> None:
    """With noise and hints that are off, names that are said to be sure are right."""
    sure = wrong = 0
    for seed in (2, 6, 8, 10):
        phantom = drawn(seed)
        found = find_vertebrae(mediocre(maps_of(phantom), phantom, seed, amount=0.5))
        assert found.naming is not None
        if found.naming.probability > 0.9:
            sure += 1
            wrong += list(found.names) != truth_of(
                phantom, [body.centre_mm for body in found.bodies]
            )
    assert sure >= 2
    assert wrong == 0


def test_the_sacrum_beats_a_wrong_level() -> None:
    """Five bodies on a sacrum are L1 to L5 even if the network takes them for T12 to L4."""
    names = row("L1", "L5")
    wrong = np.array([LEVELS[name] - 1 for name in names])
    naming = name_column(evidence_of(names, level=wrong, sacrum_level=1.0))
    assert list(naming.names) == names
    assert naming.probability > 0.8


def test_the_lowest_rib_beats_a_wrong_level() -> None:
    """Ribs down to the fourth of eight bodies make it T12, though the hint says T11."""
    names = row("T9", "L4")
    wrong = np.array([LEVELS[name] - 1 for name in names])
    naming = name_column(evidence_of(names, level=wrong))
    assert list(naming.names) == names


def test_the_highest_rib_names_the_neck() -> None:
    """A row whose third body has the first rib starts at C6."""
    names = row("C6", "T5")
    wrong = np.array([LEVELS[name] + 1 for name in names])
    assert list(name_column(evidence_of(names, level=wrong)).names) == names


def test_the_skull_names_the_first_body_c1() -> None:
    """Below the skull the count starts at C1."""
    names = row("C1", "C6")
    wrong = np.array([LEVELS[name] + 1 for name in names])
    evidence = evidence_of(names, level=wrong, skull_level=0.8, room_above=6.0)
    assert list(name_column(evidence).names) == names


def test_only_ribs_in_view_is_told_as_unsure() -> None:
    """Six thoracic bodies without any end in view get the hint's names and little certainty."""
    names = row("T4", "T9")
    naming = name_column(evidence_of(names))
    assert list(naming.names) == names
    assert naming.probability < 0.8


def test_a_sixth_lumbar_body_is_possible() -> None:
    """Six bodies between two ribs and the sacrum: L6 is possible, and nothing is called sure."""
    names = [*row("T11", "L5"), "L6"]
    naming = name_column(evidence_of(names, sacrum_level=1.0))
    assert naming.names[-1] in ("L5", "L6")
    assert naming.probability < 0.9


def test_a_clear_sixth_lumbar_body_is_named() -> None:
    """With both ends of the ribs and the sacrum in view, L6 is the best count left."""
    names = [*row("C6", "L5"), "L6"]
    naming = name_column(evidence_of(names, sacrum_level=1.0))
    assert list(naming.names) == names
    assert naming.variant == "L6"


def test_without_transitional_spines_only_the_regular_count_is_tried() -> None:
    """T13 and L6 are never given when they are switched off."""
    evidence = evidence_of([*row("T11", "L5"), "L6"], sacrum_level=1.0)
    naming = name_column(evidence, transitional=False)
    assert naming.variant == "regular"
    assert "L6" not in naming.names


def test_a_skipped_level_is_skipped_in_the_names() -> None:
    """Where the row has a hole, the names have it at the same place, and nowhere else."""
    names = [name for name in row("T8", "L5") if name != "T11"]
    place = np.array([row("T8", "L5").index(name) for name in names])
    evidence = evidence_of(names, place=place, sacrum_level=1.0)
    assert list(name_column(evidence).names) == names


def test_names_are_unique_and_in_order() -> None:
    """No name occurs twice, and each is one below the one above."""
    for seed in (4, 13):
        found = find_vertebrae(maps_of(drawn(seed, transitional=True)))
        ladder = ["T13" if name == "T13" else name for name in found.names]
        assert len(set(ladder)) == len(ladder)


def test_more_bodies_than_a_spine_has_still_get_names() -> None:
    """A row of thirty bodies (false ones among them) is named without an error."""
    names = row("C1", "L5") + ["L5"] * 6
    naming = name_column(evidence_of(names))
    assert len(naming.names) == 30
    assert np.isfinite(naming.chances).all()


def test_chances_are_probabilities() -> None:
    """Every name's chance lies in 0..1 and is at least that of all names together."""
    naming = name_column(evidence_of(row("T6", "L3")))
    assert (naming.chances <= 1.0).all()
    assert (naming.chances >= naming.probability - 1e-9).all()


def test_ribs_are_seen_beside_thoracic_bodies_only() -> None:
    """On perfect maps of a trunk, ribs are beside T1 to T12 and nowhere else."""
    phantom = drawn(3)
    maps = maps_of(phantom)
    bodies = find_column(maps)
    names = truth_of(phantom, [body.centre_mm for body in bodies])
    chances = read_landmarks(maps, bodies).rib_chances()
    assert [name[0] == "T" for name in names] == [chance > 0.5 for chance in chances]


def test_sacrum_and_skull_are_counted_in_levels() -> None:
    """On perfect maps of a whole spine S1 lies one level below L5, the skull above C1."""
    maps = maps_of(drawn(3))
    landmarks = read_landmarks(maps, find_column(maps))
    assert landmarks.sacrum_level == pytest.approx(1.0, abs=0.35)
    assert landmarks.skull_level == pytest.approx(0.8, abs=0.6)


def test_the_sacrum_is_counted_past_a_missing_l5() -> None:
    """Without L5 in the row, S1 lies two levels below L4."""
    maps = maps_of(drawn(3))
    landmarks = read_landmarks(maps, find_column(maps)[:-1])
    assert landmarks.sacrum_level == pytest.approx(2.0, abs=0.4)


def test_body_volumes_are_those_of_the_truth() -> None:
    """The volume read at 4 mm is that of the drawn bodies within a quarter."""
    phantom = drawn(3)
    maps = maps_of(phantom)
    bodies = find_column(maps)
    names = truth_of(phantom, [body.centre_mm for body in bodies])
    drawn_ml = {one.label: one.body_ml for one in phantom.vertebrae}
    found = read_landmarks(maps, bodies).body_ml
    ratio = [ml / drawn_ml[name] for name, ml in zip(names, found, strict=True) if name[0] != "C"]
    assert ratio == pytest.approx([1.0] * len(ratio), abs=0.25)


def test_the_audit_understands_the_anchors() -> None:
    """Names and anchors of a whole spine are trusted; names moved by one are not."""
    phantom = drawn(3)
    found = find_vertebrae(maps_of(phantom))

    def audited(names: tuple[str, ...]) -> str:
        vertebrae = [
            Vertebra(label=name, centre_mm=body.centre_mm)
            for name, body in zip(names, found.bodies, strict=True)
        ]
        return audit_numbering(vertebrae, anchors=found.anchors).verdict

    assert audited(found.names) == "trusted"
    moved = (*found.names[1:], "L6")
    assert audited(moved) != "trusted"


def test_evidence_keeps_the_holes_of_the_row() -> None:
    """The place of each body counts the levels that were skipped above it."""
    maps = maps_of(drawn(3))
    bodies = list(find_column(maps))
    bodies[5] = replace(bodies[5], skipped=1)
    evidence = read_evidence(maps, bodies, read_landmarks(maps, bodies))
    assert evidence.place[4:7].tolist() == [4, 6, 7]

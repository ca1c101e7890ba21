"""The numbering audit on rows written by hand."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from engine.errors import RequestError
from engine.spine.audit import (
    Anchors,
    apply_correction,
    audit_numbering,
    with_confidence,
)
from engine.spine.audit.anatomy import VARIANTS
from engine.spine.vertebrae import Vertebra, shift_names

# Centres of an ordinary lumbar spine, mm: (name, y, z, height, volume). Lumbar bodies bow forward.
LOIN = (
    ("T10", 2.0, 155.0, 20.0, 33.0), ("T11", 4.0, 129.0, 21.0, 37.0),
    ("T12", 8.0, 101.0, 22.5, 43.0), ("L1", 14.0, 70.5, 24.0, 51.0),
    ("L2", 21.0, 38.0, 24.5, 56.0), ("L3", 26.0, 5.0, 24.5, 61.0),
    ("L4", 25.0, -29.0, 24.0, 63.0), ("L5", 15.0, -62.0, 24.0, 61.0),
)  # fmt: skip
SACRUM = (0.0, -4.0, -90.0)


def loin() -> tuple[Vertebra, ...]:
    """T10 to L5, whole, as a label map would give them."""
    return tuple(
        Vertebra(
            label=name,
            centre_mm=(0.0, y, z),
            bounds_mm=((-40.0, y - 60.0, z - 20.0), (40.0, y + 20.0, z + 15.0)),
            volume_ml=volume,
            height_mm=height,
            arch_mm=(0.0, -22.0, -4.0),
        )
        for name, y, z, height, volume in LOIN
    )


def heads(*names: str) -> tuple[tuple[float, float, float], ...]:
    """Rib heads beside the named vertebrae, both sides."""
    places = {name: (y, z) for name, y, z, *_ in LOIN}
    return tuple(
        (side, places[name][0] - 12.0, places[name][1] + 3.0)
        for name in names
        for side in (-20.0, 20.0)
    )


BOTH = Anchors(sacrum_mm=SACRUM, rib_heads_mm=heads("T10", "T11", "T12"), ribs_looked_for=True)


def labels(vertebrae) -> list[str]:
    return [v.label for v in vertebrae]


def renamed(vertebrae, names: str) -> tuple[Vertebra, ...]:
    pairs = zip(vertebrae, names.split(), strict=True)
    return tuple(dataclasses.replace(v, label=name) for v, name in pairs)


def test_names_that_two_landmarks_confirm_are_trusted() -> None:
    """The sacrum below L5 and the lowest rib at T12 say the same."""
    audit = audit_numbering(loin(), anchors=BOTH)
    assert audit.verdict == "trusted"
    assert audit.probability > 0.98
    assert audit.issues == ()
    assert audit.correction is None
    assert {r.name: r.agrees for r in audit.anchors} == {"sacrum": True, "lowest rib": True}
    assert audit.sentences[0].startswith("The names can be trusted")
    assert min(audit.confidences) > 0.98


@pytest.mark.parametrize("anchors", [Anchors(sacrum_mm=SACRUM), BOTH])
@pytest.mark.parametrize("steps", [-1, -2])
def test_a_shift_against_the_sacrum_is_wrong_and_mended(anchors: Anchors, steps: int) -> None:
    """Names one or two levels too high: the proposal gives the right ones."""
    shifted = shift_names(loin(), steps)
    audit = audit_numbering(shifted, anchors=anchors)
    assert audit.verdict == "wrong"
    assert audit.alternatives[0].shift == -steps
    assert labels(apply_correction(shifted, audit.correction)) == labels(loin())
    assert any(r.name == "sacrum" and r.agrees is False for r in audit.anchors)


def test_a_shift_against_the_ribs_is_wrong() -> None:
    """Without a sacrum the lowest rib alone tells: L1 bears none."""
    anchors = dataclasses.replace(BOTH, sacrum_mm=None)
    audit = audit_numbering(shift_names(loin()[:6], 1), anchors=anchors)
    assert audit.verdict == "wrong"
    assert audit.alternatives[0].shift == -1


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_without_a_landmark_a_shift_cannot_be_known(steps: int) -> None:
    """Nothing in view fixes the count: ambiguous, with the shifted names among the alternatives."""
    audit = audit_numbering(shift_names(loin()[:7], steps))
    assert audit.verdict == "ambiguous"
    assert audit.has("unverified")
    assert {0, -1, 1} & {a.shift for a in audit.alternatives} >= {0, -1}
    assert sum(a.probability for a in audit.alternatives) <= 1.0 + 1e-9
    assert any("Nothing in view fixes the count" in s for s in audit.sentences)


def test_probabilities_of_alternatives_sum_to_nearly_one_and_fall() -> None:
    """The list is sorted, and only rare namings are left out."""
    audit = audit_numbering(loin())
    chances = [a.probability for a in audit.alternatives]
    assert chances == sorted(chances, reverse=True)
    assert 0.9 <= sum(chances) <= 1.0 + 1e-9


def test_the_neck_counts_itself() -> None:
    """C1 to T3: the small steps below the skull are like no others, so a shift is wrong."""
    steps = [0, 16, 22, 17, 16.5, 16.5, 17, 19, 20, 21]
    names = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2", "T3")
    heights = (17, 23, 14, 14, 13.5, 13.5, 15, 16, 16.5, 16.5)
    neck = tuple(
        Vertebra(label=name, centre_mm=(0.0, 0.0, z), height_mm=float(height))
        for name, z, height in zip(names, -np.cumsum(steps), heights, strict=True)
    )
    skull = Anchors(skull_mm=(0.0, 0.0, 15.0), dens_mm=(0.0, 2.0, -9.0))
    assert audit_numbering(neck, anchors=skull).verdict == "trusted"
    wrong = audit_numbering(shift_names(neck, 1), anchors=skull)
    assert wrong.verdict == "wrong"
    assert labels(apply_correction(shift_names(neck, 1), wrong.correction)) == list(names)


def test_a_swap_is_found_and_mended() -> None:
    """L2 above L1."""
    swapped = renamed(loin(), "T10 T11 T12 L2 L1 L3 L4 L5")
    audit = audit_numbering(swapped, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("order")
    assert "L2 lies above L1; it belongs below it." in audit.sentences
    assert labels(apply_correction(swapped, audit.correction)) == labels(loin())


def test_a_name_given_twice_is_found() -> None:
    """Two vertebrae called T12; the first of them is T11."""
    doubled = renamed(loin(), "T10 T12 T12 L1 L2 L3 L4 L5")
    audit = audit_numbering(doubled, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert [i.indices for i in audit.issues if i.kind == "duplicate_name"] == [(1, 2)]
    assert labels(apply_correction(doubled, audit.correction)) == labels(loin())


def test_one_object_twice_is_found_and_removed() -> None:
    """The same vertebra under two names: the copy goes."""
    copy = dataclasses.replace(loin()[3], label="L2", volume_ml=20.0, centre_mm=(1.0, 14.0, 71.5))
    audit = audit_numbering([*loin(), copy], anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("duplicate_object")
    assert audit.correction.remove == (8,)
    assert labels(apply_correction([*loin(), copy], audit.correction)) == labels(loin())
    assert audit.confidences[8] == 0.0


@pytest.mark.parametrize("names", ["T10 T11 T12 L2 L3 L4 L5", "T11 T12 L1 L2 L3 L4 L5"])
def test_a_missing_vertebra_is_named(names: str) -> None:
    """Without L1 the step from T12 to L2 is double, whether the names skip it or close up."""
    without = renamed((*loin()[:3], *loin()[4:]), names)
    audit = audit_numbering(without, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("missing")
    assert audit.correction.missing == ("L1",)
    assert labels(apply_correction(without, audit.correction)) == [
        "T10", "T11", "T12", "L2", "L3", "L4", "L5",
    ]  # fmt: skip


def test_a_vertebra_missing_before_the_sacrum_is_named() -> None:
    """Without L5, the sacrum is two steps below L4."""
    audit = audit_numbering(loin()[:7], anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.correction.missing == ("L5",)
    assert "Between L4 and the sacrum a vertebra is missing (L5)." in audit.sentences


@pytest.mark.parametrize("sized", [True, False])
def test_two_in_one_are_found(sized: bool) -> None:
    """L1 and L2 as one object: twice the height, one and a half steps to both sides."""
    first, second = loin()[3:5]
    both = dataclasses.replace(
        first,
        centre_mm=(0.0, 17.5, 54.2),
        height_mm=56.0 if sized else None,
        volume_ml=first.volume_ml + second.volume_ml if sized else None,
    )
    merged = (*loin()[:3], both, *loin()[5:])
    if not sized:
        merged = tuple(dataclasses.replace(v, height_mm=None, volume_ml=None) for v in merged)
    audit = audit_numbering(merged, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("merged")
    assert audit.correction.merged == (3,)
    assert audit.correction.labels[3] == "L1+L2"
    assert apply_correction(merged, audit.correction)[3].flags == ("merged",)


def test_halves_of_one_are_found() -> None:
    """L2 as two slabs of half its height, called L2 and L3, with all below one too low."""
    whole = loin()[4]
    halves = [
        dataclasses.replace(whole, centre_mm=(0.0, 21.0, 38.0 + dz), height_mm=12.0, volume_ml=28.0)
        for dz in (6.1, -6.1)
    ]
    split = renamed((*loin()[:4], *halves, *loin()[5:]), "T10 T11 T12 L1 L2 L3 L4 L5 S1")
    audit = audit_numbering(split, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("split")
    assert audit.correction.split == ((4, 5),)
    assert audit.correction.labels == (
        "T10", "T11", "T12", "L1", "L2", "L2", "L3", "L4", "L5",
    )  # fmt: skip


def upside_down(vertebrae) -> tuple[Vertebra, ...]:
    """Negate every z."""
    return tuple(
        dataclasses.replace(
            v,
            centre_mm=(v.centre_mm[0], v.centre_mm[1], -v.centre_mm[2]),
            bounds_mm=None,
            arch_mm=None,
        )
        for v in vertebrae
    )


def test_an_upside_down_scan_is_told_and_turned() -> None:
    """Names follow the bones, so they run upwards; sizes say that the scan is to blame."""
    flipped = upside_down(loin())
    audit = audit_numbering(flipped)
    assert audit.verdict == "wrong"
    assert audit.has("upside_down")
    assert audit.correction.axes == ("x", "y", "-z")
    turned = apply_correction(flipped, audit.correction)
    assert labels(turned) == labels(loin())
    assert [v.centre_mm for v in turned] == [v.centre_mm for v in loin()]


def test_names_given_from_the_top_of_an_upside_down_scan_are_told() -> None:
    """Sizes fall from the top down, which no spine does; the sacrum is above."""
    flipped = upside_down(renamed(loin(), "L5 L4 L3 L2 L1 T12 T11 T10"))
    anchors = Anchors(sacrum_mm=(0.0, -4.0, 90.0))
    audit = audit_numbering(flipped, anchors=anchors)
    assert audit.verdict == "wrong"
    assert audit.has("upside_down")
    assert audit.has("reversed_names")
    assert labels(apply_correction(flipped, audit.correction)) == labels(loin())


def test_reversed_names_in_an_upright_scan_are_told() -> None:
    """Sizes and sacrum are the right way round; only the names run upwards."""
    reversed_names = renamed(loin(), "L5 L4 L3 L2 L1 T12 T11 T10")
    audit = audit_numbering(reversed_names, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("reversed_names")
    assert not audit.has("upside_down")
    assert labels(apply_correction(reversed_names, audit.correction)) == labels(loin())


@pytest.mark.parametrize("with_arches", [True, False])
def test_front_and_back_exchanged_are_told(with_arches: bool) -> None:
    """Arches in front of the bodies, or a loin that bows backwards."""
    turned = tuple(
        dataclasses.replace(
            v,
            centre_mm=(v.centre_mm[0], -v.centre_mm[1], v.centre_mm[2]),
            bounds_mm=None,
            arch_mm=(0.0, 22.0, -4.0) if with_arches else None,
        )
        for v in loin()
    )
    audit = audit_numbering(turned, anchors=Anchors(sacrum_mm=(0.0, 4.0, -90.0)))
    assert audit.verdict == "wrong"
    assert audit.has("back_to_front")
    assert audit.correction.axes == ("x", "-y", "z")


def test_a_liver_on_the_left_is_told() -> None:
    """Left and right are known by the liver only."""
    mirrored = dataclasses.replace(BOTH, liver_mm=(-70.0, 60.0, 90.0))
    audit = audit_numbering(loin(), anchors=mirrored)
    assert audit.has("left_right")
    assert audit.correction.axes == ("-x", "y", "z")
    right = dataclasses.replace(BOTH, liver_mm=(70.0, 60.0, 90.0))
    assert audit_numbering(loin(), anchors=right).verdict == "trusted"


def test_a_spine_along_another_axis_is_told_and_turned() -> None:
    """With y and z exchanged, the spine would run from back to front."""
    lying = tuple(
        dataclasses.replace(
            v, centre_mm=(0.0, v.centre_mm[2], -v.centre_mm[1]), bounds_mm=None, arch_mm=None
        )
        for v in loin()
    )
    audit = audit_numbering(lying)
    assert audit.has("turned")
    turned = apply_correction(lying, audit.correction)
    z = [v.centre_mm[2] for v in turned]
    assert z == sorted(z, reverse=True)
    assert labels(turned) == labels(loin())


def test_the_border_of_the_image_is_told_and_does_not_touch_the_verdict() -> None:
    """T10's box ends at the top of the field of view: a note, and the names stay trusted."""
    fov = ((-100.0, -120.0, -150.0), (100.0, 120.0, 169.5))
    audit = audit_numbering(loin(), anchors=BOTH, fov_mm=fov)
    assert audit.verdict == "trusted"
    assert audit.truncated == (True, *[False] * 7)
    assert audit.has("border")
    assert with_confidence(loin(), audit)[0].truncated


def test_an_end_of_half_the_size_is_taken_for_cut() -> None:
    """Nobody said so, but the first vertebra is half as large as the next."""
    half = dataclasses.replace(loin()[0], height_mm=10.0, volume_ml=14.0, centre_mm=(0, 2.0, 150.0))
    audit = audit_numbering([half, *loin()[1:]], anchors=BOTH)
    assert audit.truncated[0]
    assert audit.verdict == "trusted"


def test_a_collapsed_body_is_a_note_only() -> None:
    """L1 at 55 % of its height, the spine 11 mm shorter: still trusted."""
    collapsed = [
        dataclasses.replace(
            v,
            height_mm=v.height_mm * (0.55 if v.label == "L1" else 1.0),
            centre_mm=(0.0, v.centre_mm[1], v.centre_mm[2] - dz),
        )
        for v, dz in zip(loin(), [11.0] * 3 + [5.5] + [0.0] * 4, strict=True)
    ]
    anchors = dataclasses.replace(
        BOTH, rib_heads_mm=tuple((x, y, z - 11.0) for x, y, z in BOTH.rib_heads_mm)
    )
    audit = audit_numbering(collapsed, anchors=anchors)
    assert audit.verdict == "trusted"
    assert [i.kind for i in audit.issues] == ["unusual_size"]


def test_a_vertebra_beside_the_line_is_told() -> None:
    """L2 36 mm to the side is probably something else."""
    moved = list(loin())
    moved[4] = dataclasses.replace(moved[4], centre_mm=(36.0, 21.0, 38.0))
    audit = audit_numbering(moved, anchors=BOTH)
    assert audit.has("off_course")
    assert audit.verdict != "trusted"
    assert audit.confidences[4] < 0.6


def test_six_lumbar_vertebrae_between_two_landmarks() -> None:
    """Skull-side count by the ribs and six vertebrae down to the sacrum: L6, found by itself."""
    lower = dataclasses.replace(loin()[7], label="S1", centre_mm=(0.0, 2.0, -93.0))
    six = (*loin(), lower)
    anchors = dataclasses.replace(BOTH, sacrum_mm=(0.0, -18.0, -120.0))
    audit = audit_numbering(renamed(six, "T10 T11 T12 L1 L2 L3 L4 L5 L6"), anchors=anchors)
    assert audit.verdict == "trusted"
    assert audit.has("numeric_variant")
    habit = audit_numbering(renamed(six, "T9 T10 T11 T12 L1 L2 L3 L4 L5"), anchors=anchors)
    assert habit.verdict != "trusted"
    fixed = audit_numbering(
        renamed(six, "T10 T11 T12 L1 L2 L3 L4 L5 L6"), anchors=anchors, transitional=False
    )
    assert not fixed.has("numeric_variant")


def test_the_finders_confidence_and_agreement_count() -> None:
    """Confidence is the name's probability times the geometric mean of both opinions."""
    unsure = [dataclasses.replace(v, confidence=0.64) for v in loin()]
    audit = audit_numbering(unsure, anchors=BOTH, agreement=[0.25] * 8)
    assert audit.confidences[0] == pytest.approx(0.4, abs=0.02)
    assert with_confidence(unsure, audit)[0].confidence == audit.confidences[0]


def test_order_of_the_list_does_not_matter() -> None:
    """The same vertebrae shuffled give the same verdict; indices point into the given list."""
    shuffled = [loin()[i] for i in (3, 0, 7, 1, 6, 2, 5, 4)]
    audit = audit_numbering(shuffled, anchors=BOTH)
    assert audit.verdict == "trusted"
    assert [shuffled[i].label for i in audit.order] == labels(loin())


def test_names_that_are_none_are_told_and_proposed() -> None:
    """A finder without names gets them from the landmarks."""
    nameless = renamed(loin(), "? ? ? ? ? ? ? ?")
    audit = audit_numbering(nameless, anchors=BOTH)
    assert audit.verdict == "wrong"
    assert audit.has("unknown_name")
    assert labels(apply_correction(nameless, audit.correction)) == labels(loin())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_vertebrae_are_ambiguous(count: int) -> None:
    """One to three lumbar vertebrae without anything else cannot be named for certain."""
    audit = audit_numbering(loin()[4 : 4 + count])
    assert audit.verdict == "ambiguous"
    assert len(audit.confidences) == count


def test_no_vertebra_at_all() -> None:
    """An empty list is answered in words."""
    audit = audit_numbering([])
    assert audit.verdict == "ambiguous"
    assert audit.sentences == ("No vertebra was found, so there are no names to check.",)


@pytest.mark.parametrize(
    ("agreement", "match"), [([0.5], "one number per vertebra"), ([2.0] * 8, r"shares in 0\.\.1")]
)
def test_agreement_is_checked(agreement: list[float], match: str) -> None:
    """One share per vertebra."""
    with pytest.raises(RequestError, match=match):
        audit_numbering(loin(), agreement=agreement)


def test_a_correction_belongs_to_its_list() -> None:
    """Applying it to another list is refused."""
    audit = audit_numbering(shift_names(loin(), -1), anchors=BOTH)
    with pytest.raises(RequestError, match="belongs to a list of 8 vertebrae, but got 3"):
        apply_correction(loin()[:3], audit.correction)
    with pytest.raises(RequestError, match="belongs to a list of 8 vertebrae, but got 3"):
        with_confidence(loin()[:3], audit)


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Neither numpy nor scipy is needed to ask what the audit offers."""
    code = (
        "import sys, engine.spine.audit as a; "
        "assert a.__all__; "
        "sys.exit(bool({'numpy', 'scipy', 'torch', 'nibabel'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_prior_chances_of_all_counts_sum_to_one() -> None:
    """The table of variants is a probability distribution, each with its own levels."""
    assert sum(v.prior for v in VARIANTS) == pytest.approx(1.0)
    assert len({v.levels for v in VARIANTS}) == len(VARIANTS)


def test_a_rim_of_a_vertebra_is_no_vertebra_out_of_order() -> None:
    """Of T9 only the tip of its process is in view, lower than T10's centre: still trusted."""
    tip = Vertebra(
        label="T9", centre_mm=(0.0, -45.0, 150.0), volume_ml=2.0, height_mm=6.0, truncated=True
    )
    audit = audit_numbering([tip, *loin()], anchors=BOTH)
    assert audit.verdict == "trusted"
    assert [i.kind for i in audit.issues] == ["border"]
    shifted = audit_numbering(shift_names([tip, *loin()], -1), anchors=BOTH)
    assert shifted.verdict == "wrong"
    assert shifted.correction.labels[0] == "T9"

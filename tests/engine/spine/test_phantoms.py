"""Phantoms of spines: the volume shows what the record says."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
import pytest

from engine.errors import RequestError
from engine.spine import phantoms
from engine.spine.phantoms import (
    LABEL_CODES,
    Disease,
    Implants,
    Posture,
    Scan,
    SpinePhantom,
    Tissues,
    Traits,
    sample_traits,
    spine_phantom,
)
from engine.spine.vertebrae import LABELS, VERSE_CODES

QUIET = Scan(noise_hu=2.0, blur_mm=0.3, table=False)


def drawn(seed: int = 0, **options: object) -> SpinePhantom:
    """A lumbar phantom of the mean patient at 4 mm, unless options say otherwise."""
    chosen: dict[str, object] = {
        "levels": ("T11", "L5"), "spacing_mm": 4.0, "fov_mm": (240, 220), "traits": Traits(),
        "scan": QUIET,
    }  # fmt: skip
    return spine_phantom(np.random.default_rng(seed), **(chosen | options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trunk() -> SpinePhantom:
    """The whole mean patient, from the pelvis to the skull, at 4 mm."""
    return drawn(levels=("C1", "L5"), margins_mm=(150, 90), fov_mm=(440, 340))


def voxel_of(phantom: SpinePhantom, point_mm: tuple[float, ...]) -> tuple[int, ...]:
    index = np.linalg.inv(phantom.volume.affine) @ np.array([*point_mm, 1.0])
    return tuple(int(n) for n in np.rint(index[:3]))


def centre_of(phantom: SpinePhantom, mask: np.ndarray) -> np.ndarray:
    """World centre of mass of a mask."""
    index = np.argwhere(mask).mean(axis=0)
    return np.asarray((phantom.volume.affine @ np.array([*index, 1.0]))[:3])


def test_a_seed_is_the_phantom() -> None:
    """The same generator state draws the same voxels, maps and truth; another one does not."""
    one, same, other = drawn(3, traits=None), drawn(3, traits=None), drawn(4, traits=None)
    np.testing.assert_array_equal(one.volume.voxels, same.volume.voxels)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert one.vertebrae == same.vertebrae
    assert one.traits == same.traits
    assert one.vertebrae != other.vertebrae


def test_centres_lie_inside_their_bodies(trunk: SpinePhantom) -> None:
    """At the centre of each vertebra from C2 down, label map and body mask hold its code."""
    for truth in trunk.vertebrae:
        if truth.label == "C1":  # a ring: its centre is the dens of C2
            continue
        place = voxel_of(trunk, truth.centre_mm)
        assert trunk.labels[place] == LABEL_CODES[truth.label] == truth.code
        assert trunk.bodies[place]


def test_vertebrae_are_in_order_from_the_head_down(trunk: SpinePhantom) -> None:
    """Names follow the order of the spine and heights fall, at regular distances."""
    labels = [truth.label for truth in trunk.vertebrae]
    assert labels == [name for name in LABELS if name in labels]
    assert labels == list(trunk.spine)
    centres = np.array([truth.centre_mm for truth in trunk.vertebrae])
    assert np.all(np.diff(centres[:, 2]) < 0)
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    ratios = [b / a for a, b in pairwise(steps[1:])]  # C1 to C2 is a joint of its own
    assert 0.75 < min(ratios) < max(ratios) < 1.35


def test_distances_are_those_of_people(trunk: SpinePhantom) -> None:
    """C2 to L5 is about half a metre, lumbar bodies are 33–41 mm and cervical 15–21 mm apart."""
    centres = {truth.label: np.array(truth.centre_mm) for truth in trunk.vertebrae}
    assert 440 < np.linalg.norm(centres["C2"] - centres["L5"]) < 620
    for above, below in (("L2", "L3"), ("L3", "L4")):
        assert 33 < np.linalg.norm(centres[above] - centres[below]) < 41
    assert 15 < np.linalg.norm(centres["C4"] - centres["C5"]) < 21


def test_spine_curves_as_in_people(trunk: SpinePhantom) -> None:
    """The axis of L1 leans back and that of L5 and T2 to the front, as the truth says."""
    up = {truth.label: truth.up for truth in trunk.vertebrae}
    assert up["L1"][1] < -0.1 < 0.2 < up["L5"][1]
    assert up["T2"][1] > 0.2
    assert all(np.linalg.norm(axis) == pytest.approx(1.0) for axis in up.values())


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (2.0, 2.0, 5.0), (3.0, 3.0, 6.0)])
def test_voxel_size_does_not_move_the_anatomy(spacing: tuple[float, float, float]) -> None:
    """One seed at any voxel size has the same centres, in the record and in the masks."""
    view = {"levels": ("L2", "L3"), "fov_mm": (120, 120)}
    fine, other = drawn(7, spacing_mm=1.5, **view), drawn(7, spacing_mm=spacing, **view)
    for one, two in zip(fine.vertebrae, other.vertebrae, strict=False):
        assert one.label == two.label
        assert one.centre_mm == pytest.approx(two.centre_mm, abs=1e-6)
    for label in ("L2", "L3"):
        code = LABEL_CODES[label]
        places = [centre_of(p, (p.labels == code) & p.bodies) for p in (fine, other)]
        assert np.all(np.abs(places[0] - places[1]) <= np.array(spacing) / 2)


def test_volumes_are_those_of_the_masks() -> None:
    """The volume of a vertebra is what its label holds, and its body a part of it."""
    phantom = drawn(2, spacing_mm=2.0)
    voxel_ml = 8 / 1000
    for truth in phantom.vertebrae:
        if truth.truncated:
            continue
        mask = phantom.labels == truth.code
        assert mask.sum() * voxel_ml == pytest.approx(truth.volume_ml, rel=0.05)
        body = (mask & phantom.bodies).sum() * voxel_ml
        assert body == pytest.approx(truth.body_ml, rel=0.05)
    assert np.all(phantom.labels[phantom.bodies] > 0)


def test_lumbar_volumes_are_those_of_people() -> None:
    """L3 of the mean patient holds 25–45 ml in its body and 40–75 ml altogether."""
    l3 = next(one for one in drawn(spacing_mm=2.0).vertebrae if one.label == "L3")
    assert 25 < l3.body_ml < 45
    assert 40 < l3.volume_ml < 75
    assert 24 < l3.height_mm < 32


def test_bounds_hold_the_label() -> None:
    """The box of a whole vertebra is the box of its label, to two voxels."""
    phantom = drawn(2, spacing_mm=2.0)
    for truth in (one for one in phantom.vertebrae if not one.truncated):
        index = np.argwhere(phantom.labels == truth.code)
        low = phantom.volume.affine @ np.array([*(index.min(0) - 0.5), 1.0])
        high = phantom.volume.affine @ np.array([*(index.max(0) + 0.5), 1.0])
        np.testing.assert_allclose(truth.bounds_mm[0], low[:3], atol=4.1)
        np.testing.assert_allclose(truth.bounds_mm[1], high[:3], atol=4.1)


def test_cuts_through_a_body_are_told() -> None:
    """Margins below 0 cut the outer bodies: truncated, with the part that is left in view."""
    cut = drawn(5, spacing_mm=3.0, levels=("T12", "L4"), margins_mm=(-15.0, -15.0))
    whole = drawn(5, spacing_mm=3.0, levels=("T10", "L5"), margins_mm=(60.0, 60.0))
    before = {one.label: one for one in whole.vertebrae}
    seen = {one.label: one for one in cut.vertebrae}
    for label in ("T12", "L4"):
        assert seen[label].truncated
        assert 0.2 < seen[label].body_in_view < 0.9
        assert seen[label].body_ml == pytest.approx(before[label].body_ml, rel=0.03)
        assert seen[label].centre_mm == pytest.approx(before[label].centre_mm)
    assert seen["L2"].body_in_view == 1.0
    assert not before["L2"].truncated
    assert before["L2"].in_view == 1.0


def test_a_narrow_view_cuts_processes() -> None:
    """A view of 70 mm shows whole bodies and cuts transverse processes; the record says so."""
    narrow = drawn(5, spacing_mm=2.0, levels=("L2", "L4"), fov_mm=(70, 120), offset_mm=(0, -20))
    middle = next(one for one in narrow.vertebrae if one.label == "L3")
    assert middle.truncated
    assert middle.body_in_view == 1.0
    assert 0.6 < middle.in_view < 1.0


def test_a_centre_out_of_view_is_told() -> None:
    """A view far to the side shows no centre; what is seen there is truncated."""
    aside = drawn(5, fov_mm=(120, 220), offset_mm=(90, 0))
    assert aside.levels_in_view == ()
    assert all(one.truncated for one in aside.vertebrae)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "IRP"])
def test_axis_order_is_only_a_matter_of_the_file(codes: str) -> None:
    """In any axis order the affine says so and centres in mm find the same labels."""
    phantom, usual = drawn(1, axis_codes=codes), drawn(1)
    assert nibabel.aff2axcodes(phantom.volume.affine) == tuple(codes)
    assert phantom.axis_codes == codes
    for truth, other in zip(phantom.vertebrae, usual.vertebrae, strict=True):
        assert truth == other
        if truth.body_in_view == 1.0:
            place = voxel_of(phantom, truth.centre_mm)
            assert phantom.labels[place] == truth.code
            before = usual.volume.voxels[voxel_of(usual, truth.centre_mm)]
            assert phantom.volume.voxels[place] == before


def test_ribs_belong_to_their_vertebrae(trunk: SpinePhantom) -> None:
    """There are twelve pairs; each begins beside its own vertebra and lies on both sides."""
    centres = {one.label: np.array(one.centre_mm) for one in trunk.vertebrae}
    assert set(np.unique(trunk.rib_levels)) == set(range(13))
    for number in range(1, 13):
        index = np.argwhere(trunk.rib_levels == number)
        points = (trunk.volume.affine @ np.c_[index, np.ones(len(index))].T).T[:, :3]
        away = np.linalg.norm(points - centres[f"T{number}"], axis=1)
        assert away.min() < 36
        right = points[:, 0] > centres[f"T{number}"][0]
        assert 0.3 < right.mean() < 0.7


def test_floating_ribs_are_shorter(trunk: SpinePhantom) -> None:
    """The twelfth rib reaches less far around than the eleventh, and that less than the seventh."""
    extent = []
    for number in (7, 11, 12):
        index = np.argwhere(trunk.rib_levels == number)
        points = (trunk.volume.affine @ np.c_[index, np.ones(len(index))].T).T
        extent.append(points[:, 1].max())
    assert extent[0] > extent[1] > extent[2]


def test_sacrum_and_skull_are_at_the_ends(trunk: SpinePhantom) -> None:
    """The sacrum lies below L5 and behind it, the skull above C2; both are in the maps."""
    heights = {one.label: one.centre_mm for one in trunk.vertebrae}
    sacrum = centre_of(trunk, trunk.sacrum)
    assert sacrum[2] < heights["L5"][2]
    assert sacrum[1] < heights["L5"][1]
    assert centre_of(trunk, trunk.skull)[2] > heights["C2"][2]
    np.testing.assert_array_equal(trunk.labels == 26, trunk.sacrum)


def test_what_is_out_of_view_is_not_in_the_maps() -> None:
    """A view of the middle of the chest has ribs but neither sacrum nor skull."""
    chest = drawn(levels=("T5", "T9"))
    assert chest.ribs.any()
    assert not chest.sacrum.any()
    assert not chest.skull.any()
    assert set(chest.levels_in_view) >= {"T5", "T6", "T7", "T8", "T9"}


def test_tissues_have_their_ct_numbers(trunk: SpinePhantom) -> None:
    """Lung, fat, muscle, disc and bone lie in the ranges of real CTs."""
    voxels = trunk.volume.voxels
    assert 90 < np.median(voxels[trunk.bodies]) < 330
    assert 50 < np.median(voxels[trunk.structure("discs")]) < 130
    assert np.median(voxels[trunk.ribs]) > 150
    counts, _ = np.histogram(voxels, bins=[-1024, -950, -700, -150, -60, 0, 90, 3072])
    parts = counts / counts.sum()
    assert parts[1] > 0.02  # lung, about three litres of a view of 120
    assert parts[3] > 0.08  # fat
    assert parts[5] > 0.12  # soft tissue
    assert parts[2] < 0.08  # little between lung and fat


@pytest.mark.shared_data
def test_tissues_are_like_those_of_a_real_ct(shared_data: Path) -> None:
    """Bodies, discs and all of a lumbar CT of 3 mm have the medians and spreads of a real one.

    The real CT is of a patient without contrast, with soft bone; its masks are a model's.
    """
    folder = shared_data / "ct" / "totalseg_example"
    voxels = np.asarray(nibabel.load(folder / "images" / "ct.nii.gz").dataobj)
    parts = np.asarray(nibabel.load(folder / "labels" / "totalseg_vertebrae_body.nii.gz").dataobj)
    traits = Traits(tissues=Tissues(trabecular=120.0, cortical=700.0, shell_mm=0.8))
    phantom = drawn(4, levels=("T12", "L5"), spacing_mm=3.0, traits=traits, scan=Scan())
    bodies = phantom.bodies & (phantom.labels != 26)
    drawn_hu = phantom.volume.voxels
    pairs = [
        (voxels[parts == 1], drawn_hu[bodies], (30, 45, 80)),
        (voxels[parts == 2], drawn_hu[phantom.structure("discs")], (20, 20, 45)),
    ]
    for real, ours, tolerance in pairs:
        for quantile, most in zip((25, 50, 75), tolerance, strict=True):
            assert np.percentile(ours, quantile) == pytest.approx(
                np.percentile(real, quantile), abs=most
            )


@pytest.mark.parametrize("trabecular", [50.0, 280.0])
def test_bone_is_as_dense_as_the_patients(trabecular: float) -> None:
    """The middle of a body has the patient's CT number, and the record says which."""
    traits = Traits(tissues=Tissues(trabecular=trabecular))
    phantom = drawn(spacing_mm=2.0, levels=("L2", "L3"), fov_mm=(140, 140), traits=traits)
    for truth in phantom.vertebrae:
        if truth.body_in_view < 1.0:
            continue
        i, j, k = voxel_of(phantom, truth.centre_mm)
        core = phantom.volume.voxels[i - 3 : i + 4, j : j + 4, k - 2 : k + 3]
        assert truth.body_hu == pytest.approx(trabecular, rel=0.25)
        assert float(np.median(core)) == pytest.approx(truth.body_hu, rel=0.25)


@pytest.mark.parametrize(("thoracic", "lumbar"), [(13, 5), (12, 6), (12, 4), (11, 5)])
def test_transitional_spines_have_other_counts(thoracic: int, lumbar: int) -> None:
    """T13, L6, four lumbar and eleven thoracic vertebrae are drawn, with ribs and codes."""
    traits = Traits(thoracic=thoracic, lumbar=lumbar)
    lowest = f"L{lumbar}"
    phantom = drawn(levels=("T9", lowest), traits=traits)
    assert len(phantom.spine) == 7 + thoracic + lumbar
    assert phantom.vertebrae[-1].label == lowest
    names = {VERSE_CODES[int(code)] for code in np.unique(phantom.labels) if code not in (0, 26)}
    assert {f"T{thoracic}", lowest} <= names
    assert phantom.rib_levels.max() == thoracic


def test_metal_is_bright_and_marked() -> None:
    """Screws reach the top of the scale, are marked, and throw streaks; without them none."""
    traits = Traits(implants=Implants(screws=("L3", "L4"), cages=("L3",), cement=("L1",)))
    metal, plain = drawn(spacing_mm=2.0, traits=traits), drawn(spacing_mm=2.0)
    screws = metal.structure("metal")
    assert metal.volume.voxels[screws].max() == 3071
    assert not plain.structure("metal").any()
    changed = np.abs(metal.volume.voxels - plain.volume.voxels) > 30
    assert (changed & ~screws).sum() > screws.sum()
    assert metal.vertebrae == plain.vertebrae  # the bones are the same


def test_fractures_are_told() -> None:
    """A collapsed body carries the flag and is lower than without."""
    traits = Traits(disease=Disease(fracture=1.0))
    broken = {one.label: one for one in drawn(traits=traits).vertebrae}
    whole = {one.label: one for one in drawn().vertebrae}
    assert broken["L2"].fractured
    assert not whole["L2"].fractured
    assert broken["L2"].height_mm < 0.95 * whole["L2"].height_mm


def test_a_rolled_patient_keeps_its_truth() -> None:
    """Rolled by 20°, centres still lie in their bodies and the axis of L1 turned as well."""
    traits = Traits(posture=Posture(roll_deg=20.0))
    for truth in (one for one in drawn(traits=traits).vertebrae if one.body_in_view == 1.0):
        phantom = drawn(traits=traits)
        assert phantom.labels[voxel_of(phantom, truth.centre_mm)] == truth.code
        break
    flat = {one.label: one.up for one in drawn().vertebrae}
    rolled = {one.label: one.up for one in drawn(traits=traits).vertebrae}
    angle = np.radians(20)
    x, y, z = flat["L1"]
    expected = (np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y, z)
    assert rolled["L1"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_any_patient_can_be_drawn(seed: int) -> None:
    """Whatever is drawn, values are finite, in range, and every record fits its map."""
    rng = np.random.default_rng(seed)
    phantom = spine_phantom(rng, spacing_mm=5.0, transitional=seed % 2 == 1)
    voxels = phantom.volume.voxels
    assert np.isfinite(voxels).all()
    assert -2000 <= voxels.min() < -900 or phantom.traits.fat_mm > 0
    assert voxels.max() <= 3071
    codes = {truth.code for truth in phantom.vertebrae} | {0, 26}
    assert set(np.unique(phantom.labels).tolist()) <= codes
    for truth in phantom.vertebrae:
        assert 0 < truth.in_view <= 1
        assert truth.truncated == (truth.in_view < 1 or truth.body_in_view < 1)


def test_drawn_patients_differ_widely() -> None:
    """Among 200 patients bone goes from soft to hard, and some have metal, contrast, fractures."""
    people = [sample_traits(np.random.default_rng(seed)) for seed in range(200)]
    bone = [one.tissues.trabecular for one in people]
    assert min(bone) < 75
    assert max(bone) > 260
    assert 8 <= sum(bool(one.implants.screws) for one in people) <= 50
    assert 60 <= sum(one.tissues.vessel > 85 for one in people) <= 150
    assert 30 <= sum(one.disease.fracture > 0 for one in people) <= 90
    assert {one.arms for one in people} == {"up", "down", "none"}


BAD = [
    ({"spacing_mm": 0.1}, r"spacing_mm has to be .* 0\.3 to 10 mm, but got 0\.1"),
    ({"spacing_mm": (1.0, 1.0)}, r"one number or three .*\(1\.0, 1\.0\)"),
    ({"spacing_mm": float("nan")}, "spacing_mm has to be .* but got nan"),
    ({"levels": "T9"}, r"levels has to be the first and the last level, .* 'T9'"),
    ({"levels": ("T9", "X2")}, "goes from C1 to L5 without X2"),
    ({"levels": ("T9", "L6")}, "goes from C1 to L5 without L6"),
    ({"levels": ("L5", "T9")}, r"from the head down, .* swap them"),
    ({"levels": ()}, "levels has to be the first and the last"),
    ({"fov_mm": (10, 200)}, "fov_mm has to be two lengths from 20 to 1000 mm"),
    ({"fov_mm": (200,)}, "fov_mm has to be two lengths"),
    ({"offset_mm": (0, 900)}, "offset_mm has to be two lengths within ±500 mm"),
    ({"margins_mm": (1, 2, 3)}, "margins_mm has to be two lengths within ±400 mm"),
    ({"levels": ("L3", "L3"), "margins_mm": (-15, -15)}, "at least 5 mm are needed"),
    ({"axis_codes": "RAR"}, r"axis_codes names each .* 'RAR'"),
    ({"axis_codes": "ras"}, r"axis_codes names each .* 'ras'"),
    ({"traits": Traits(lumbar=7)}, "11 to 13 thoracic and 4 to 6 lumbar .* but got 12 and 7"),
    ({"spacing_mm": 0.3, "fov_mm": (900, 900), "levels": ("C1", "L5")}, "at most 120 million"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "sentence"), BAD)
def test_values_that_cannot_be_drawn_are_refused(options: dict[str, object], sentence: str) -> None:
    """A sentence says what was expected, what came and what to do."""
    with pytest.raises(RequestError, match=sentence):
        drawn(**options)


def test_public_names_are_those_declared() -> None:
    """Every declared name opens, and an unknown one is refused as usual."""
    assert {name for name in phantoms.__all__ if hasattr(phantoms, name)} == set(phantoms.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'spines'"):
        phantoms.spines  # noqa: B018 – the look-up is the test


@pytest.mark.parametrize("module", ["engine.spine", "engine.spine.phantoms"])
def test_importing_is_light(module: str) -> None:
    """Importing the packages loads neither numpy nor any other library of size."""
    code = f"import {module}, sys; print([n for n in ('numpy', 'scipy') if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"

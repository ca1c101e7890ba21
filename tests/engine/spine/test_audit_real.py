"""The audit on label maps of real people; skipped where the folder of real data is absent."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from engine.spine.audit import Anchors, audit_numbering, find_anchors
from engine.spine.measures import measure_vertebrae
from engine.spine.vertebrae import TOTAL_CODES, VERSE_CODES, Vertebra, shift_names

pytestmark = pytest.mark.shared_data

TOTAL = "totalseg_example/labels/total_fast_force_split.nii.gz"
MAPS = (
    ("totalseg_example/labels/vertebrae_totalseg.nii.gz", TOTAL_CODES),
    ("totalseg_example/labels/totalseg_vertebrae_pp_refined.nii.gz", VERSE_CODES),
    (TOTAL, TOTAL_CODES),
    ("verse_masks_only/labels/sub-gl003_dir-ax_seg-vert_msk.nii.gz", VERSE_CODES),
    ("verse_masks_only/labels/sub-gl017_seg-vert_msk.nii.gz", VERSE_CODES),
    ("verse_masks_only/labels/sub-verse004_seg-vert_msk.nii.gz", VERSE_CODES),
    ("verse_masks_only/labels/sub-verse010_seg-vert_msk.nii.gz", VERSE_CODES),
)


@pytest.fixture(scope="module")
def people(shared_data: Path) -> dict[str, tuple[tuple[Vertebra, ...], Anchors]]:
    """Measured vertebrae and landmarks of each map; verse005 comes as one file per vertebra."""
    folder = shared_data / "ct"
    found = {}
    for path, codes in MAPS:
        image = nib.load(folder / path)
        labels = np.asarray(image.dataobj)
        vertebrae = measure_vertebrae(labels, image.affine, codes)
        anchors = find_anchors(labels, image.affine, vertebrae) if path == TOTAL else Anchors()
        found[path] = (vertebrae, anchors)
    single = []
    for path in sorted((folder / "verse_masks_only" / "labels" / "verse005").glob("L?_seg*")):
        image = nib.load(path)
        labels = (np.asarray(image.dataobj) > 0).astype(np.uint8)
        single += measure_vertebrae(labels, image.affine, {1: path.name[:2]})
    found["verse005"] = (tuple(single), Anchors())
    return found


KEYS = [*(path for path, _ in MAPS), "verse005"]


@pytest.mark.parametrize("key", KEYS)
def test_names_of_real_people_are_not_called_wrong(people, key: str) -> None:
    """Eight label maps, two of them with a collapsed L1: no false alarm."""
    vertebrae, anchors = people[key]
    audit = audit_numbering(vertebrae, anchors=anchors)
    assert audit.verdict != "wrong"
    assert audit.probability > 0.5


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("steps", [-1, 1])
def test_shifted_names_of_real_people_are_not_trusted(people, key: str, steps: int) -> None:
    """All names one up or one down, where the names allow it."""
    vertebrae, anchors = people[key]
    edge = "C1" if steps < 0 else "S1"
    if any(v.label == edge for v in vertebrae):
        pytest.skip(f"{edge} cannot move further")
    audit = audit_numbering(shift_names(vertebrae, steps), anchors=anchors)
    assert audit.verdict != "trusted"


def test_sacrum_and_lowest_rib_of_a_real_map_agree_and_are_trusted(people) -> None:
    """TotalSegmentator's map of loin and pelvis holds sacrum, liver and the twelfth ribs."""
    vertebrae, anchors = people[TOTAL]
    audit = audit_numbering(vertebrae, anchors=anchors)
    assert audit.verdict == "trusted"
    assert {r.name: r.agrees for r in audit.anchors} == {"sacrum": True, "lowest rib": True}
    shifted = audit_numbering(shift_names(vertebrae, -1), anchors=anchors)
    assert shifted.verdict == "wrong"
    assert shifted.alternatives[0].shift == 1


def test_a_neck_with_skull_side_vertebrae_is_trusted_and_its_shift_wrong(people) -> None:
    """C1 to T5: atlas and axis have sizes of their own."""
    vertebrae, _ = people[MAPS[3][0]]
    assert audit_numbering(vertebrae).verdict == "trusted"
    shifted = audit_numbering(shift_names(vertebrae, 1))
    assert shifted.verdict == "wrong"
    assert shifted.alternatives[0].shift == -1


@pytest.mark.parametrize("key", KEYS)
def test_a_real_scan_with_reversed_slices_is_told(people, key: str) -> None:
    """Negated z: names run upwards."""
    vertebrae, _ = people[key]
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    turned = [
        Vertebra(
            label=v.label,
            centre_mm=tuple((flip @ [*v.centre_mm, 1.0])[:3]),
            volume_ml=v.volume_ml,
            height_mm=v.height_mm,
            truncated=v.truncated,
        )
        for v in vertebrae
    ]
    audit = audit_numbering(turned)
    assert audit.verdict == "wrong"
    assert audit.has("upside_down") or audit.has("reversed_names")


@pytest.mark.parametrize(
    ("name", "path"),
    [(Path(path).name.split("_")[0], path) for path, _ in MAPS if "verse_masks" in path],
)
def test_body_centres_agree_with_readers(people, shared_data: Path, name: str, path: str) -> None:
    """VerSe's own centroids are of the body: ours lie within 4 mm of each, 1 mm in the median."""
    folder = shared_data / "ct" / "verse_masks_only"
    file = next((folder / "centroids").glob(f"{name}*.json"))
    records = json.loads(file.read_text())
    image = nib.load(folder / "labels" / Path(path).name)
    axes = nib.orientations.axcodes2ornt(records[0]["direction"])
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), axes)
    affine = image.affine @ nib.orientations.inv_ornt_aff(turn, image.shape)
    ours = {v.label: v.centre_mm for v in people[path][0]}
    apart = [
        float(np.linalg.norm((affine @ [r["X"], r["Y"], r["Z"], 1.0])[:3] - ours[name]))
        for r in records[1:]
        if (name := VERSE_CODES.get(r["label"])) in ours
    ]
    assert len(apart) >= 5
    assert max(apart) < 4.0
    assert np.median(apart) < 1.5

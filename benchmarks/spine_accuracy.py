"""How many vertebrae the embedded network finds, how exactly, and whether their names are right.

``python -m benchmarks.spine_accuracy [--data DIR] [--phantoms N] [--seed S] [--model DIR]``

Three kinds of cases, never mixed. CTs of people from a folder with label maps (``DIR/ct``; left out
with a sentence when it is not there): few, and label maps are partly other programs' output.
Vertebrae of people in drawn tissue (``DIR/ct/verse_masks_only``, see :mod:`.people_shapes`): real
shapes of necks, chests and loins, but without ribs, sacrum and skull.
Drawn patients (phantoms): many, of every field of view, with exact truth; but the network learnt
from such drawings, so their figures are upper bounds.

A body counts as found when a centre lies within 15 mm of its own; a centre is right when it lies
within 15 mm of a body that no other centre took. Bodies that the border of the image cuts are
counted apart. Intervals are Wilson's, 95 %. Ends with exit code 1 when recall or precision of whole
bodies on CTs of people is below 0.9.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.people_shapes import painted_people
from engine.imaging.volume_files import read_volume
from engine.imaging.volumes import Volume
from engine.inference.intervals import wilson
from engine.settings import Settings
from engine.spine.embedded.segmenter import EmbeddedSegmenter
from engine.spine.measures import measure_vertebrae
from engine.spine.phantoms import SpinePhantom, spine_phantom
from engine.spine.segmenters import RunWatch, Segmentation
from engine.spine.vertebrae import TOTAL_CODES, VERSE_CODES, Point

NEAR_MM = 15.0
TARGET = 0.9

# Name, CT, label map, codes of the map.
CASES: tuple[tuple[str, str, str, Mapping[int, str]], ...] = (
    (
        "abdomen, 3 mm",
        "totalseg_example/images/ct.nii.gz",
        "totalseg_example/labels/vertebrae_totalseg.nii.gz",
        TOTAL_CODES,
    ),
    (
        "a slab of it, 3 mm",
        "totalseg_example_sm/images/example_ct_sm.nii.gz",
        "totalseg_example_sm/labels/example_seg.nii.gz",
        TOTAL_CODES,
    ),
    (
        "one lumbar vertebra",
        "tptbox_L3/images/sub-ct_label-22_ct.nii.gz",
        "tptbox_L3/labels/sub-ct_seg-vert_label-22_msk.nii.gz",
        VERSE_CODES,
    ),
    (
        "20 slices, DICOM",
        "totalseg_example_dicom20/dicom",
        "totalseg_example_dicom20/labels/example_seg_dicom.nii.gz",
        TOTAL_CODES,
    ),
)

# Kind of view, levels, margins below and above (mm), field of view (mm; None: whole trunk).
VIEWS: tuple[tuple[str, tuple[str, str], tuple[float, float], tuple[float, float] | None], ...] = (
    ("neck", ("C1", "T2"), (8.0, 60.0), None),
    ("chest", ("T1", "T12"), (10.0, 30.0), None),
    ("chest without its ends", ("T3", "T10"), (-8.0, -8.0), None),
    ("abdomen", ("T11", "L5"), (90.0, 10.0), None),
    ("loin, narrow", ("T12", "L5"), (40.0, 5.0), (180.0, 180.0)),
    ("trunk", ("C7", "L5"), (120.0, 15.0), None),
    ("whole spine", ("C1", "L5"), (120.0, 70.0), None),
)
SPACINGS = ((1.6, 1.6, 2.0), (2.0, 2.0, 3.0), (2.0, 2.0, 1.6), (1.8, 1.8, 5.0), (2.4, 2.4, 2.4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One body: its name, centre, and whether the border cuts it."""

    label: str
    centre_mm: Point
    whole: bool


@dataclass(slots=True, kw_only=True)
class Count:
    """Counts over cases."""

    whole: int = 0
    whole_found: int = 0
    cut: int = 0
    cut_found: int = 0
    centres: int = 0
    right: int = 0
    named: int = 0
    cases: int = 0
    all_named: int = 0
    seconds: float = 0.0
    away_mm: float = 0.0

    def add(self, other: Count) -> None:
        """Add another count."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def main() -> int:
    """Print the figures; return 1 when a target on CTs of people is missed."""
    default = Path(__file__).parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--data", type=Path, default=default, help="folder that holds ct/")
    parser.add_argument("--phantoms", type=int, default=35, help="how many drawn patients")
    parser.add_argument("--seed", type=int, default=90_000)
    parser.add_argument("--model", type=Path, help="model folder instead of the one that ships")
    parser.add_argument("--details", action="store_true", help="print each body")
    given = parser.parse_args()
    segmenter = EmbeddedSegmenter(Settings.from_env(), model=given.model)
    people = _people(segmenter, given.data / "ct", details=given.details)
    _shapes(segmenter, given.data / "ct" / "verse_masks_only", details=given.details)
    _phantoms(segmenter, given.phantoms, given.seed, details=given.details)
    if people is None:
        return 0
    missed = [
        name
        for name, found, total in (
            ("recall", people.whole_found, people.whole),
            ("precision", people.right, people.centres),
        )
        if found < TARGET * total
    ]
    if missed:
        print(f"\nBelow {TARGET:.0%} on CTs of people: {', '.join(missed)}.")
    return 1 if missed else 0


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


def _people(segmenter: EmbeddedSegmenter, folder: Path, *, details: bool) -> Count | None:
    print("CTs of people")
    if not folder.is_dir():
        print(f"  left out: there is no folder {folder}; give one with --data")
        return None
    total = Count()
    for name, ct, labels, codes in CASES:
        if not (folder / ct).exists() or not (folder / labels).exists():
            print(f"  {name}: left out, {ct} is not there")
            continue
        volume = read_volume(folder / ct).volume
        truth = _truth_of_map(read_labels(folder / labels), codes)
        total.add(_case(segmenter, name, volume, truth, details=details))
    _summary("all", total)
    return total


def _shapes(segmenter: EmbeddedSegmenter, folder: Path, *, details: bool) -> None:
    if not folder.is_dir():
        return
    print("\nVertebrae of people in drawn tissue, without ribs, sacrum and skull")
    total = Count()
    for name, volume, centres, whole in painted_people(folder):
        truth = tuple(
            Truth(label=label, centre_mm=centre, whole=label in whole)
            for label, centre in centres.items()
        )
        total.add(_case(segmenter, name, volume, truth, details=details))
    _summary("all", total)


def _phantoms(segmenter: EmbeddedSegmenter, count: int, seed: int, *, details: bool) -> None:
    print("\nDrawn patients (the network learnt from others of their kind)")
    by_view = {name: Count() for name, *_ in VIEWS}
    for number in range(count):
        name, levels, margins, fov = VIEWS[number % len(VIEWS)]
        phantom = spine_phantom(
            np.random.default_rng(seed + number),
            levels=levels,
            margins_mm=margins,
            fov_mm=fov,
            spacing_mm=SPACINGS[number % len(SPACINGS)],
        )
        by_view[name].add(
            _case(
                segmenter,
                f"{name} ({seed + number})",
                phantom.volume,
                _truth_of_phantom(phantom),
                details=details,
                quiet=not details,
            )
        )
    total = Count()
    for name, part in by_view.items():
        if part.cases:
            _summary(name, part)
            total.add(part)
    _summary("all", total)


def read_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return a label map of a NIfTI file and its affine."""
    import nibabel

    image = nibabel.load(path)
    return np.rint(np.asarray(image.dataobj)).astype(np.uint8), np.asarray(image.affine, float)


def _truth_of_map(
    labels: tuple[np.ndarray, np.ndarray], codes: Mapping[int, str]
) -> tuple[Truth, ...]:
    found = measure_vertebrae(*labels, codes)
    return tuple(
        Truth(
            label=one.label,
            centre_mm=one.centre_mm,
            whole=not one.truncated or "process_cut" in one.flags,
        )
        for one in found
        if one.label != "S1"
    )


def _truth_of_phantom(phantom: SpinePhantom) -> tuple[Truth, ...]:
    return tuple(
        Truth(label=one.label, centre_mm=one.centre_mm, whole=one.body_in_view > 0.98)
        for one in phantom.vertebrae
        if one.body_in_view > 0.1
    )


def _case(
    segmenter: EmbeddedSegmenter,
    name: str,
    volume: Volume,
    truth: Sequence[Truth],
    *,
    details: bool,
    quiet: bool = False,
) -> Count:
    start = time.perf_counter()
    found = segmenter.segment(volume, RunWatch())
    seconds = time.perf_counter() - start
    centres = list((found.centres_mm or {}).items())
    pairs = _matched([centre for _, centre in centres], [one.centre_mm for one in truth])
    names = {at: VERSE_CODES[centres[i][0]] for i, at in pairs.items()}
    hits = set(pairs.values())
    count = Count(
        whole=sum(one.whole for one in truth),
        whole_found=sum(one.whole and i in hits for i, one in enumerate(truth)),
        cut=sum(not one.whole for one in truth),
        cut_found=sum(not one.whole and i in hits for i, one in enumerate(truth)),
        centres=len(centres),
        right=len(pairs),
        named=sum(truth[at].label == label for at, label in names.items()),
        cases=1,
        all_named=int(all(truth[at].label == label for at, label in names.items())),
        seconds=seconds,
        away_mm=sum(
            float(np.linalg.norm(np.subtract(centres[i][1], truth[at].centre_mm)))
            for i, at in pairs.items()
        ),
    )
    if not quiet:
        _summary(name, count)
    if details:
        _print_bodies(found, truth, names, pairs)
    return count


def _matched(found: Sequence[Point], truth: Sequence[Point]) -> dict[int, int]:
    """Return found → true bodies, each at most once, within :data:`NEAR_MM`."""
    if not found or not truth:
        return {}
    apart = np.linalg.norm(np.array(found)[:, None] - np.array(truth)[None], axis=2)
    rows, columns = linear_sum_assignment(np.minimum(apart, 10 * NEAR_MM))
    return {int(i): int(at) for i, at in zip(rows, columns, strict=True) if apart[i, at] <= NEAR_MM}


def _print_bodies(
    found: Segmentation, truth: Sequence[Truth], names: Mapping[int, str], pairs: Mapping[int, int]
) -> None:
    for i, one in enumerate(truth):
        said = names.get(i, "missed")
        print(f"      {one.label:4s} {'whole' if one.whole else 'cut  '} {said}")
    for i, (code, centre) in enumerate((found.centres_mm or {}).items()):
        if i not in pairs:
            place = ", ".join(f"{value:.0f}" for value in centre)
            print(f"      false {VERSE_CODES[code]} at {place} mm")


def _summary(name: str, count: Count) -> None:
    mean = count.away_mm / max(count.right, 1)
    print(
        f"  {name:24s} whole bodies {_share(count.whole_found, count.whole)}, "
        f"cut {count.cut_found}/{count.cut}, centres right {_share(count.right, count.centres)}, "
        f"{mean:.1f} mm off, names {_share(count.named, count.right)}, "
        f"all names of a case right {count.all_named}/{count.cases}, "
        f"{count.seconds / max(count.cases, 1):.1f} s"
    )


def _share(part: int, whole: int) -> str:
    if not whole:
        return "0/0"
    limits = wilson(part, whole)
    return f"{part}/{whole} = {part / whole:.3f} ({limits.low:.2f}–{limits.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())

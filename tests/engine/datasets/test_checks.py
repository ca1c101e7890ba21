"""Checks of a dataset on pictures whose faults were planted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.datasets import checks
from engine.datasets.checks import CheckedPicture
from engine.imaging.drawn_tissue import draw_tissue


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_look_alikes_have_nearly_the_same_hash() -> None:
    """Half the size, brighter, or a coarse JPEG: few bits differ; another picture: many."""
    picture = draw_tissue(1, side_px=256).picture
    own = checks.perceptual_hash(picture)
    smaller = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA)
    brighter = np.clip(picture.astype(int) + 12, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])
    coarse = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert len(own) == 16
    for twin in (smaller, brighter, coarse):
        assert distance(own, checks.perceptual_hash(twin)) <= checks.NEAR
    other = draw_tissue(2, side_px=256).picture
    assert distance(own, checks.perceptual_hash(other)) > 2 * checks.NEAR


def test_a_flat_picture_has_a_hash_too() -> None:
    """One colour all over, one pixel: no error."""
    assert len(checks.perceptual_hash(np.full((1, 1, 3), 9, np.uint8))) == 16


def test_same_files_are_duplicates_but_no_near_duplicates() -> None:
    """A file that came twice is told once, as what it is."""
    hashed = "00000000000000ff"
    twice = [CheckedPicture(name=n, sha256="aa", perceptual_hash=hashed) for n in ("a", "b")]
    near = CheckedPicture(name="c", sha256="bb", perceptual_hash="00000000000000fe")
    far = CheckedPicture(name="d", sha256="cc", perceptual_hash="ffffffffffffff00")
    everything = [*twice, near, far]
    assert [f.names for f in checks.duplicates(everything)] == [("a", "b")]
    assert [f.names for f in checks.near_duplicates(everything)] == [("a", "c"), ("b", "c")]


def test_five_thousand_pictures_are_compared_in_blocks() -> None:
    """A pair far apart in the list is found; the numbers are those that were planted."""
    values = np.random.default_rng(3).integers(0, 2**63, 5000, dtype=np.uint64)
    values[4999] = values[0] ^ np.uint64(0b111)
    found = checks.near_duplicates(
        [CheckedPicture(name=str(i), perceptual_hash=f"{v:016x}") for i, v in enumerate(values)]
    )
    assert [(f.names, "(3 of 64 bits" in f.sentence) for f in found] == [(("0", "4999"), True)]


def test_leaks_between_splits_are_found() -> None:
    """A group, a file and a look-alike in two splits; without a split nothing leaks."""
    rows = [
        CheckedPicture(name="a", sha256="1", group="P1", split="train", perceptual_hash="f" * 16),
        CheckedPicture(name="b", sha256="2", group="P1", split="test"),
        CheckedPicture(name="c", sha256="2", group="P2", split="train"),
        CheckedPicture(
            name="d", sha256="3", group="P3", split="test", perceptual_hash="f" * 15 + "e"
        ),
        CheckedPicture(name="e", sha256="1", group="P2"),
    ]
    found = checks.leakage(rows, checks.near_duplicates(rows))
    assert [finding.names for finding in found] == [("a", "b"), ("b", "c"), ("a", "d")]
    assert "“P1” lies in test and train" in found[0].sentence


def test_empty_and_full_masks_are_told() -> None:
    """Only background, one class all over, nobody looked: each in a sentence of its own."""
    names = ("background", "unhealthy", "healthy", "not_annotated")
    counts = {"b": (9, 0, 0, 1), "f": (0, 9, 0, 0), "n": (0, 0, 0, 9), "good": (4, 5, 0, 0)}
    rows = [
        CheckedPicture(name=name, counts=dict(zip(names, numbers, strict=True)))
        for name, numbers in counts.items()
    ]
    found = checks.empty_or_full([*rows, CheckedPicture(name="no mask")])
    assert [(f.kind, f.names) for f in found] == [
        ("empty", ("b",)),
        ("full", ("f",)),
        ("empty", ("n",)),
    ]


def test_balance_leaves_out_what_nobody_looked_at() -> None:
    """3 of 4 looked-at pixels are background; nothing looked at has no shares to divide by."""
    rows = [CheckedPicture(name="a", counts={"background": 3, "healthy": 1, "not_annotated": 96})]
    assert checks.balance(rows) == pytest.approx({"background": 0.75, "healthy": 0.25})
    assert checks.balance([CheckedPicture(name="a", counts={"background": 0})]) == {"background": 0}


def test_sizes_are_counted() -> None:
    """The most frequent size comes first."""
    rows = [CheckedPicture(name=str(i), width_px=w, height_px=10) for i, w in enumerate((5, 8, 8))]
    assert checks.sizes(rows) == ((8, 10, 2), (5, 10, 1))

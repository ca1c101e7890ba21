"""What happens to vertebral bodies after the network: equal to TotalSegmentator's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.spine.nnunet.bodies import separated_bodies
from tests.engine.spine.tiny_weights import class_names

SPACING = (1.5, 1.5, 1.5)


def bodies(*codes: int, mixed: int = 0) -> NDArray[np.uint8]:
    """Blocks from the feet up, one for each code; ``mixed`` leaks into the first one."""
    labels = np.zeros((20, 20, 12 * len(codes) + 4), np.uint8)
    for place, code in enumerate(codes):
        labels[6:14, 5:15, 12 * place + 4 : 12 * place + 12] = code
    if mixed:
        labels[6:14, 5:15, 4:7] = mixed
    return labels


@pytest.fixture(scope="module")
def names() -> dict[int, str]:
    """The label table of ``vertebrae_pp``."""
    pytest.importorskip("totalsegmentator")
    return class_names(803)


@pytest.mark.parametrize(
    "labels",
    [
        bodies(24, 23, 22),
        bodies(24, 23, 22, mixed=21),
        bodies(20, 18, 18, 16, mixed=19),
        bodies(7, 5, 3, 1, mixed=6),
        bodies(24, 20, 1, mixed=23),
        np.zeros((8, 8, 8), np.uint8),
    ],
    ids=["apart", "L5 leaks", "no L5", "from C1 down", "C1 and L5", "nothing"],
)
def test_bodies_equal_those_of_totalsegmentator(
    labels: NDArray[np.uint8], names: dict[int, str]
) -> None:
    """Numbering and growth give the same map, touching labels or not."""
    peer = pytest.importorskip("totalsegmentator.postprocessing")
    expected = peer.postprocess_vertebrae_pp(
        labels.copy(), names, voxel_volume=float(np.prod(SPACING)), voxel_spacing=SPACING
    )
    assert np.array_equal(expected, separated_bodies(labels.copy(), names, SPACING))


def test_small_pieces_that_touch_are_dropped(names: dict[int, str]) -> None:
    """Two touching labels of together less than 100 mm³ leave nothing."""
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[3:5, 3, 3] = 24, 23
    assert not separated_bodies(labels, names, SPACING).any()


def test_one_body_with_two_labels_is_numbered(names: dict[int, str]) -> None:
    """A single body in view, half L4 and half L5, becomes L5, where TotalSegmentator 2.18 fails."""
    peer = pytest.importorskip("totalsegmentator.postprocessing")
    labels = bodies(24, mixed=23)
    with pytest.raises(IndexError):
        peer.postprocess_vertebrae_pp(
            labels.copy(), names, voxel_volume=float(np.prod(SPACING)), voxel_spacing=SPACING
        )
    assert np.unique(separated_bodies(labels, names, SPACING)).tolist() == [0, 24]

"""A model folder answers pictures as its network in torch does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import InputError, JobCancelledError, MemoryShortError, ModelError, PictureError
from engine.inference.cards import FreeSizeSpec, InputSpec
from engine.inference.tiled_sources import ArraySource
from engine.memory_guard import MemoryGuard, MemoryState
from engine.segmentation.deciding import Deciding
from engine.segmentation.results import Segmentation
from engine.segmentation.segmenter import Segmenter, open_segmenter

NORMALISED_BY = "engine.segmentation.normalising.normalise"


@pytest.fixture(scope="module")
def segmenter(model_folder: Path) -> Segmenter:
    return open_segmenter(model_folder, precision="f32", threads=1)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_torch(network: Any, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Calibrated probabilities (K, H, W) of the whole picture, mirrored to multiples of 4."""
    import torch

    high, wide = (-side % 4 for side in picture.shape[:2])
    mode = "reflect" if min(picture.shape[:2]) > 1 else "edge"
    padded = np.pad(picture, ((0, high), (0, wide), (0, 0)), mode=mode)  # type: ignore[call-overload]
    batch = torch.tensor(np.moveaxis(padded, -1, 0)[None] / 255.0, dtype=torch.float32)
    shares = (network(batch)[0] / 2.0).softmax(dim=0).numpy()
    found: NDArray[np.float32] = shares[:, : picture.shape[0], : picture.shape[1]]
    return found


@pytest.mark.parametrize("shape", [(203, 150), (64, 64), (30, 33), (5, 300)])
def test_mask_probabilities_and_uncertainty_are_torchs(
    segmenter: Segmenter, network: Any, shape: tuple[int, int]
) -> None:
    """Through tiles, OpenVINO and bytes comes what torch says of the whole picture."""
    picture = noise(*shape)
    wanted = by_torch(network, picture)
    found = segmenter.predict(picture, probabilities=True)
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities / 255, wanted, atol=1.6 / 255)
    entropy = -(wanted * np.log(wanted)).sum(axis=0) / np.log(3)
    np.testing.assert_allclose(found.uncertainty / 255, entropy, atol=0.6 / 255)
    best = np.sort(wanted, axis=0)
    is_clear = best[-1] - best[-2] > 1e-3
    assert is_clear.mean() > 0.9
    np.testing.assert_array_equal(found.mask[is_clear], wanted.argmax(axis=0)[is_clear])
    np.testing.assert_array_equal(found.probabilities.argmax(axis=0), found.mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (65, 1)])
def test_the_smallest_pictures(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    """One pixel and one row are answered in their own size."""
    found = segmenter.predict(noise(*shape))
    assert (found.mask.shape, found.uncertainty.shape) == (shape, shape)
    assert found.probabilities is None


def test_grey_sixteen_bits_and_parts_give_the_same(segmenter: Segmenter) -> None:
    """A grey picture, the same in 16 bits, as RGB and read by part: one mask."""
    grey = noise(70, 90)[..., 0]
    rgb = np.repeat(grey[..., None], 3, axis=2)
    masks = [
        segmenter.predict(form).mask
        for form in (grey, grey.astype(np.uint16) * 257, rgb, ArraySource(rgb))
    ]
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


def test_arrays_of_a_large_picture_can_lie_in_files(segmenter: Segmenter, tmp_path: Path) -> None:
    """The files hold what would be in memory."""
    picture = noise(100, 80)
    found = segmenter.predict(picture, probabilities=True, folder=tmp_path)
    plain = segmenter.predict(picture, probabilities=True)
    assert isinstance(found.mask, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "mask.npy"), plain.mask)
    np.testing.assert_array_equal(np.load(tmp_path / "uncertainty.npy"), plain.uncertainty)
    np.testing.assert_array_equal(np.load(tmp_path / "probabilities.npy"), plain.probabilities)


def test_progress_is_told_and_work_can_be_cancelled(segmenter: Segmenter) -> None:
    """Parts grow to 1; an error of ``check`` passes."""
    told: list[tuple[float, str]] = []
    segmenter.predict(noise(100, 150), tell=lambda done, text: told.append((done, text)))
    assert [done for done, _ in told] == pytest.approx([n / 6 for n in range(1, 7)])
    assert told[-1][1] == "tile 6 of 6"

    def check() -> None:
        raise JobCancelledError("Cancelled.")

    with pytest.raises(JobCancelledError):
        segmenter.predict(noise(10, 10), check=check)


def test_short_memory_is_told_before_and_on_the_way(model_folder: Path) -> None:
    """Without room nothing begins; when memory runs short, work ends between two tiles."""
    free = [MemoryState(
        total_mb=8000, available_mb=mb, limit_mb=None, swap_free_mb=0, source="system"
    ) for mb in (501, 6000, 6000, 400)]  # fmt: skip
    states = iter(free)
    guard = MemoryGuard(500, read=lambda: next(states))
    segmenter = open_segmenter(model_folder, precision="f32", threads=1, guard=guard)
    with pytest.raises(MemoryShortError, match="150×200 pixels"):
        segmenter.predict(noise(200, 150))
    done: list[float] = []
    with pytest.raises(MemoryShortError, match="150×200 pixels"):
        segmenter.predict(noise(200, 150), tell=lambda part, _: done.append(part))
    assert len(done) < 2


def test_what_is_no_picture_is_refused(segmenter: Segmenter) -> None:
    """Seven channels, or no pixels."""
    for bad in (np.zeros((3, 3, 7), np.uint8), np.zeros((0, 3, 3), np.uint8)):
        with pytest.raises(PictureError):
            segmenter.predict(bad)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "classification"}, "segments pictures"),
        ({"input": InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1))}, "any size"),
        ({"input": FreeSizeSpec(side_multiple=4, normalised_by="engine.other")}, "any size"),
        (
            {"input": FreeSizeSpec(side_multiple=4, normalised_by=NORMALISED_BY, channels="grey")},
            "RGB",
        ),
        ({"classes": ("only",)}, "2 to 255"),
        ({"details": {"tile_px": "large"}}, "tile_px"),
        ({"details": {"tile_px": 100_000}}, "100000"),
        ({"details": {"overlap": 1.0}}, "share"),
        ({"details": {"normalisation": {"kind": "odd"}}}, "normalisation"),
    ],
)
def test_models_that_cannot_be_used_are_refused(
    folder_with: Callable[..., Path], changes: dict[str, Any], words: str
) -> None:
    """The sentence names what the card would have to say."""
    with pytest.raises(ModelError, match=words):
        open_segmenter(folder_with(**changes), precision="f32", threads=1)


def test_a_card_with_more_classes_than_the_network_is_refused(
    folder_with: Callable[..., Path],
) -> None:
    """It shows when the first scores come."""
    folder = folder_with(classes=("background", "a", "b", "c"))
    segmenter = open_segmenter(folder, precision="f32", threads=1)
    with pytest.raises(ModelError, match="4 classes"):
        segmenter.predict(noise(8, 8))


def test_scores_that_are_no_numbers_are_refused() -> None:
    """A damaged network does not end as background."""
    deciding = Deciding((2, 1, 2), temperature=1.0, probabilities=False)
    with pytest.raises(ModelError, match="not a number"):
        deciding.take(0, np.array([[[0, np.nan]], [[1, 0]]], np.float32))


def test_deciding_by_hand() -> None:
    """Scores 0 and ln 3 at temperature 1 are 1/4 and 3/4; alike they are as unsure as can be."""
    deciding = Deciding((2, 1, 3), temperature=1.0, probabilities=True)
    deciding.take(0, np.array([[[0, 9, 5]], [[np.log(3), -9, 5]]], np.float32))
    assert deciding.mask.tolist() == [[1, 0, 0]]
    assert deciding.probabilities is not None
    assert deciding.probabilities[:, 0].tolist() == [[64, 255, 128], [191, 0, 127]]
    entropy = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert deciding.uncertainty.tolist() == [[round(255 * entropy), 0, 255]]


@pytest.mark.parametrize(("classes", "temperature"), [(1, 1.0), (3, 0.0), (3, float("nan"))])
def test_impossible_decisions_are_refused(classes: int, temperature: float) -> None:
    """One class decides nothing, and scores are not divided by nothing."""
    with pytest.raises(InputError):
        Deciding((classes, 2, 2), temperature=temperature, probabilities=False)


def test_results_that_do_not_fit_are_refused() -> None:
    """Uncertainty of another size than the mask."""
    with pytest.raises(InputError, match="uncertainty"):
        Segmentation(
            mask=np.zeros((2, 2), np.uint8),
            uncertainty=np.zeros((2, 3), np.uint8),
            classes=("background", "a"),
            model="m",
            seconds=0.0,
        )


def test_answering_never_loads_torch(model_folder: Path) -> None:
    """Opening, predicting, measuring, drawing and exporting leave torch alone."""
    code = (
        "import sys, numpy as np; from engine.segmentation.segmenter import open_segmenter; "
        "from engine.segmentation import exports, drawing; "
        "from engine.segmentation.measuring import measure; "
        f"found = open_segmenter({str(model_folder)!r}).predict(np.zeros((9, 9), np.uint8)); "
        "measure(found); exports.geojson(found); exports.nifti(found); "
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert ran.stdout.strip() == "False"

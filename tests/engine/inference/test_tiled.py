"""Tile by tile gives what the whole picture gives; memory stays bounded; work can be stopped."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import JobCancelledError, ModelError
from engine.inference.openvino_library import load_openvino
from engine.inference.tiled import TileDone, Tiling, forecast_mb, run_tiled
from engine.inference.tiled_sources import ArraySource

SMALL = Tiling(tile_px=64, overlap=0.25, multiple=8)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_floats(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.moveaxis(tile, -1, 0).astype(np.float32)


class Rows:
    """Collects what is handed out, and checks that rows come once and from the top down."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = []
        self.next = 0

    def __call__(self, top: int, scores: NDArray[np.float32]) -> None:
        """Keep finished rows."""
        assert top == self.next
        self.next += scores.shape[1]
        self.parts.append(scores.copy())

    @property
    def whole(self) -> NDArray[np.float32]:
        """All rows."""
        return np.concatenate(self.parts, axis=1)


def run(picture: NDArray[Any], answer: Any, tiling: Tiling = SMALL, **more: Any) -> Any:
    rows = Rows()
    events = list(
        run_tiled(ArraySource(picture), answer, rows, tiling=tiling, prepare=as_floats, **more)
    )
    return rows.whole, events


@pytest.fixture(scope="module")
def real_network() -> Any:
    """An OpenVINO network: two convolutions around a pooling, its view 5 pixels to a side."""
    openvino = load_openvino()
    import openvino.opset13 as ops

    random = np.random.default_rng(2)
    image = ops.parameter([-1, 3, -1, -1], np.float32, name="image")
    one = random.normal(size=(6, 3, 3, 3)).astype(np.float32) / 50
    two = random.normal(size=(2, 6, 3, 3)).astype(np.float32) / 5

    def convolved(data: Any, weights: Any) -> Any:
        return ops.convolution(data, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])

    low = ops.max_pool(ops.relu(convolved(image, one)), [2, 2], [1, 1], [0, 0], [0, 0], [2, 2])
    scores = ops.interpolate(
        convolved(low.output(0), two),
        ops.constant(np.array([2, 2], np.float32)),
        "nearest",
        "scales",
        axes=ops.constant(np.array([2, 3])),
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    model = openvino.Model([scores], [image])
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return lambda batch: compiled(np.ascontiguousarray(batch))[0].copy()


@pytest.mark.parametrize("shape", [(200, 168), (131, 250), (65, 64), (64, 200)])
def test_tiles_give_what_the_whole_picture_gives(real_network: Any, shape: tuple[int, int]) -> None:
    """A real network on tiles equals the network on the whole padded picture to 1e-3."""
    picture = noise(*shape)
    found, events = run(picture, real_network, Tiling(tile_px=64, overlap=0.5, multiple=8))
    padding = [(0, -side % 8) for side in shape]
    padded = np.pad(picture, [*padding, (0, 0)], mode="reflect")
    wanted = real_network(as_floats(padded)[np.newaxis])[0, :, : shape[0], : shape[1]]
    assert np.abs(wanted).max() > 1
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert len(events) > 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 5), (7, 64), (129, 127)])
def test_any_size_from_one_pixel_up(shape: tuple[int, int]) -> None:
    """A network that changes nothing gives the picture back, whatever its size."""
    picture = noise(*shape)
    found, events = run(picture, lambda batch: batch.copy())
    np.testing.assert_allclose(found, as_floats(picture), atol=1e-4)
    assert events[-1] == TileDone(done=len(events), total=len(events))


def test_beyond_the_border_the_picture_is_mirrored() -> None:
    """Three pixels become 0 1 2 1 0 1 2 1 for a network that takes multiples of 8."""
    seen: list[NDArray[np.float32]] = []

    def answer(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(batch)
        return batch.copy()

    run(np.repeat(np.array([[10, 20, 30]], np.uint8)[..., None], 3, axis=2), answer)
    assert seen[0][0, 0].tolist() == [[10, 20, 30, 20, 10, 20, 30, 20]] * 8


def test_blending_by_hand() -> None:
    """Where two tiles say 0 and 1, the mean of both stands in the middle of what they share."""
    said = iter([0.0, 1.0])

    def answer(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full((1, 1, *batch.shape[2:]), next(said), np.float32)

    tiling = Tiling(tile_px=64, overlap=0.25, multiple=8)
    found, _ = run(noise(8, 112), answer, tiling)  # tiles at 0 and 48 share 48..64
    assert found[0, 0, :52] == pytest.approx(0, abs=1e-6)
    assert found[0, 0, 60:] == pytest.approx(1, abs=1e-6)
    assert found[0, 0, [55, 56]].mean() == pytest.approx(0.5)
    assert (np.diff(found[0, 0]) >= -1e-6).all()


def test_sixteen_bits_and_grey_are_scaled_at_the_edge() -> None:
    """A grey picture of 16 bits arrives as RGB of bytes: 65535 is 255 and 257 is 1."""
    picture = np.array([[0, 257, 65535]], np.uint16)
    found, _ = run(picture, lambda batch: batch.copy())
    assert found[:, 0].tolist() == [[0, 1, 255]] * 3


def test_cancelling_between_tiles_stops_at_once() -> None:
    """An error of ``check`` passes, and no further tile is computed."""
    asked: list[int] = []

    def answer(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(1)
        return batch.copy()

    def check() -> None:
        if len(asked) >= 2:
            raise JobCancelledError("Cancelled.")

    with pytest.raises(JobCancelledError):
        run(noise(200, 200), answer, check=check)
    assert len(asked) <= 3  # one more may have been under way


def test_an_error_of_the_network_passes() -> None:
    """What the network raises in its thread is raised here."""

    def fails(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        raise ModelError("broken")

    with pytest.raises(ModelError, match="broken"):
        run(noise(100, 100), fails)


@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 8, 8), (2, 3, 64, 64)])
def test_an_answer_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """A classifier, a coarser map and two pictures at once are no scores of the tile."""
    with pytest.raises(ModelError, match="should answer"):
        run(noise(64, 64), lambda _batch: np.zeros(shape, np.float32))


def test_the_next_tile_is_read_while_the_network_computes() -> None:
    """The second tile is prepared before the first answer is there."""
    second_read = threading.Event()
    reads = []

    def prepare(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
        reads.append(1)
        if len(reads) == 2:
            second_read.set()
        return as_floats(tile)

    def answer(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        assert second_read.wait(10)
        return batch.copy()

    list(run_tiled(ArraySource(noise(64, 150)), answer, Rows(), tiling=SMALL, prepare=prepare))
    assert len(reads) == 3


def test_memory_does_not_grow_with_the_height() -> None:
    """Ten times the rows take no more than the same band; the forecast is not exceeded."""

    def peak_mb(height: int) -> float:
        source = ArraySource(np.zeros((height, 256, 3), np.uint8))
        tracemalloc.start()
        for _ in run_tiled(
            source, lambda b: b.copy(), lambda *_: None, tiling=SMALL, prepare=as_floats
        ):
            pass
        found = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        return found

    low, high = peak_mb(256), peak_mb(2560)
    assert high < 1.2 * low
    assert high < forecast_mb(2560, 256, classes=3, tiling=SMALL) + 0.3

"""Tiled prediction: the classes of nnU-Net's own sliding window, in a slab of memory."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.spine.nnunet.architecture import LastLayer
from engine.spine.nnunet.prediction import box_around, predict
from engine.spine.nnunet.tiling import TileGrid, centre_weights

Floats = NDArray[np.float32]

PATCH = (16, 16, 16)


class Waves:
    """A network whose features depend on the voxel, on its place in the tile and on the tile."""

    def __init__(self, *, features: int = 3, classes: int = 7) -> None:
        random = np.random.default_rng(0)
        self.patch = PATCH
        self.last_layer = LastLayer(
            weights=random.normal(size=(classes, features)).astype(np.float32),
            bias=random.normal(size=classes).astype(np.float32),
        )
        self.tiles: list[Floats] = []
        self._pattern = random.normal(size=(features, *PATCH)).astype(np.float32)

    def features(self, tile: Floats) -> Floats:
        """Return made-up features, and remember the tile."""
        self.tiles.append(tile.copy())
        return np.tanh(tile[None] * self._pattern) + tile.mean()


def image_of(shape: tuple[int, int, int]) -> Floats:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def whole_scores(network: Waves, image: Floats, step: float) -> Floats:
    """Sum scores of all classes over the whole volume at once, as nnU-Net does."""
    classes = len(network.last_layer.bias)
    scores = np.zeros((classes, *image.shape))
    weights = centre_weights(PATCH).astype(np.float64)
    total = np.zeros(image.shape)
    z, y, x = image.shape
    for _, _, tiles in TileGrid(shape=(z, y, x), tile=PATCH, step=step).layers():
        for box in tiles:
            part = tuple(slice(*side) for side in box)
            own = np.tensordot(network.last_layer.weights, network.features(image[part]), 1)
            own += network.last_layer.bias[:, None, None, None]
            scores[(slice(None), *part)] += own * weights
            total[part] += weights
    return (scores / total).astype(np.float32)


@pytest.mark.parametrize("step", [0.5, 0.8])
@pytest.mark.parametrize("shape", [(40, 23, 30), (16, 40, 17), (57, 16, 16)], ids=str)
def test_slabs_give_the_argmax_over_the_whole_volume(
    shape: tuple[int, int, int], step: float
) -> None:
    """Deciding plane by plane from summed features equals the argmax of all summed scores."""
    image, network = image_of(shape), Waves()
    expected = whole_scores(network, image, step).argmax(axis=0)
    assert np.array_equal(expected, predict(network, image, step=step).labels)


def test_probabilities_are_those_of_the_mean_scores() -> None:
    """The confidence of a code is the mean softmax over the voxels that carry it."""
    image, network = image_of((40, 23, 30)), Waves()
    scores = whole_scores(network, image, 0.5).astype(np.float64)
    codes = scores.argmax(axis=0)
    softmax = np.exp(scores) / np.exp(scores).sum(axis=0)
    found = predict(network, image, step=0.5, judged=(1, 2, 6), threads=2).confidences
    expected = {c: softmax[c][codes == c].mean() for c in (1, 2, 6) if (codes == c).any()}
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_volume_of_one_tile_needs_no_sums() -> None:
    """One tile, padded with 0 on both sides: its own argmax."""
    image, network = image_of((9, 16, 11)), Waves()
    padded = np.zeros(PATCH, np.float32)
    padded[3:12, :, 2:13] = image
    scores = np.tensordot(network.last_layer.weights, network.features(padded), 1)
    scores += network.last_layer.bias[:, None, None, None]
    expected = scores.argmax(axis=0)[3:12, :, 2:13]
    found = predict(network, image, step=0.5)
    assert np.array_equal(expected, found.labels)
    assert found.tiles == 1


def test_air_around_the_body_costs_no_tile_and_changes_nothing_inside() -> None:
    """Tiles of air alone are left out, and the labels inside the body's box stay the same."""
    image, network = image_of((64, 48, 48)), Waves()
    tissue = np.zeros(image.shape, bool)
    tissue[20:30, 4:14, 3:15] = True
    everywhere = predict(network, image, step=0.5)
    inside = predict(network, image, step=0.5, tissue=tissue)
    body = (slice(20, 30), slice(4, 14), slice(3, 15))
    assert np.array_equal(everywhere.labels[body], inside.labels[body])
    assert inside.labels.sum() == inside.labels[body].sum()
    assert inside.tiles < everywhere.tiles


def test_nothing_but_air_is_all_background() -> None:
    """A volume without any tissue needs no tile at all."""
    network = Waves()
    found = predict(network, image_of((20, 20, 20)), step=0.5, tissue=np.zeros((20, 20, 20), bool))
    assert found.tiles == 0 == found.labels.max()
    assert network.tiles == []


def test_threads_change_nothing() -> None:
    """One thread and three give the same labels and the same confidences to the last bit."""
    image = image_of((40, 30, 30))
    one, three = (predict(Waves(), image, step=0.5, judged=range(7), threads=n) for n in (1, 3))
    assert np.array_equal(one.labels, three.labels)
    assert one.confidences == three.confidences


def test_raising_after_a_tile_ends_the_prediction() -> None:
    """Whoever listens may cancel; no further tile is computed."""
    network = Waves()

    def on_tile(done: int, count: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(network, image_of((40, 30, 30)), step=0.5, on_tile=on_tile)
    assert len(network.tiles) == 2


def test_tiles_are_counted_for_whoever_listens() -> None:
    """The count begins at 0 and ends at all, one tile at a time."""
    told: list[tuple[int, int]] = []
    found = predict(
        Waves(),
        image_of((40, 30, 30)),
        step=0.5,
        on_tile=lambda done, count: told.append((done, count)),
    )
    assert told == [(done, found.tiles) for done in range(found.tiles + 1)]


def test_the_box_around_nothing_is_none() -> None:
    """An empty mask has no box, a single voxel one of one voxel."""
    mask = np.zeros((3, 4, 5), bool)
    assert box_around(mask) is None
    mask[1, 2, 3] = True
    assert box_around(mask) == ((1, 2), (2, 3), (3, 4))


def test_equal_to_nnunets_own_sliding_window() -> None:
    """nnunetv2's predictor on a torch network, in half precision, decides the same classes."""
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("nnunetv2.inference.predict_from_raw_data")
    network = Waves()
    pattern = torch.from_numpy(network._pattern)
    weights = torch.from_numpy(network.last_layer.weights)
    bias = torch.from_numpy(network.last_layer.bias)

    class AsTorch(torch.nn.Module):
        def forward(self, tile: torch.Tensor) -> torch.Tensor:
            features = torch.tanh(tile[0] * pattern) + tile.mean()
            return (torch.tensordot(weights, features, 1) + bias[:, None, None, None])[None]

    class Record:
        def __init__(self, **values: object) -> None:
            self.__dict__.update(values)

    predictor = peer.nnUNetPredictor(
        tile_step_size=0.5, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.network = AsTorch()
    predictor.configuration_manager = Record(patch_size=PATCH)
    predictor.label_manager = Record(num_segmentation_heads=len(bias))
    image = image_of((40, 23, 12))
    scores = predictor.predict_sliding_window_return_logits(torch.from_numpy(image)[None])
    best = np.sort(scores.numpy().astype(np.float32), axis=0)
    is_decided = best[-1] - best[-2] > 0.02  # nnU-Net rounds its sums to half precision
    expected = scores.numpy().argmax(axis=0)
    found = predict(network, image, step=0.5).labels
    assert is_decided.mean() > 0.9
    assert np.array_equal(expected[is_decided], found[is_decided])


def test_memory_is_a_slab_and_not_the_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums of a volume twenty tiles long are those of one tile's thickness."""
    from engine.spine.nnunet import prediction

    sizes: list[int] = []
    zeros = np.zeros

    def watched(shape: object, *arguments: object, **options: object) -> NDArray[np.generic]:
        sizes.append(math.prod(shape) if isinstance(shape, tuple) else 0)
        return zeros(shape, *arguments, **options)

    image = image_of((320, 16, 16))
    monkeypatch.setattr(prediction.np, "zeros", watched)
    predict(Waves(), image, step=1.0)
    assert max(sizes) == max((3 + 1) * 16**3, 320 * 16 * 16)


def test_all_layers_of_tiles_are_visited_in_order() -> None:
    """Tiles come layer by layer from the first plane on, so that planes can be let go."""
    image = np.arange(48, dtype=np.float32)[:, None, None] * np.ones((1, 24, 24), np.float32)
    network = Waves()
    predict(network, image, step=0.5)
    first = [tile[0, 0, 0] for tile in network.tiles]
    assert first == sorted(first)
    assert len(set(first)) == len(list(itertools.groupby(first)))

"""The embedded backend as a whole, with a network that knows the truth, and the shipped one."""

from __future__ import annotations

import json
import shutil
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from engine.errors import MemoryShortError, ModelError
from engine.imaging.volumes import Volume
from engine.settings import Settings
from engine.shipped import shipped
from engine.spine.embedded import reading
from engine.spine.embedded.segmenter import EmbeddedSegmenter
from engine.spine.phantoms import LABEL_CODES, SpinePhantom, spine_phantom
from engine.spine.segmenters import LABEL_NAMES, Progress, RunWatch, Segmentation
from tests.engine.spine.embedded.drawn_maps import DrawnNetwork, drawn

QUIET = RunWatch()
SETTINGS = Settings()
ALL_AXES = [
    "".join(codes) for order in permutations(("RL", "AP", "SI")) for codes in product(*order)
]


@pytest.fixture(scope="module")
def small() -> SpinePhantom:
    """T10 to the sacrum on the network's grid, in a narrow view."""
    return drawn(11, levels=("T10", "L5"), margins_mm=(50.0, 4.0), fov_mm=(180.0, 180.0))


@pytest.fixture(scope="module")
def segmentation(small: SpinePhantom) -> Segmentation:
    """The answer on it."""
    return segmenter_of(small).segment(small.volume, QUIET)


def blind(batch: np.ndarray) -> dict[str, np.ndarray]:
    """Answer as a network that sees nothing but background."""
    shape = batch.shape[2:]
    classes = np.zeros((1, 8, *shape), np.float32)
    classes[:, 0] = 1.0
    zeros = np.zeros((1, 1, *shape), np.float32)
    return {"heat": zeros, "classes": classes, "region": classes[:, :3], "level": zeros}


def segmenter_of(phantom: SpinePhantom, **options: object) -> EmbeddedSegmenter:
    """Return a segmenter whose network knows a phantom."""
    return EmbeddedSegmenter(SETTINGS, network=DrawnNetwork(phantom), **options)


def turned(volume: Volume, codes: str) -> Volume:
    """Return a RAS volume with its axes stored in another order and direction."""
    pairs = ("RL", "AP", "SI")
    order = [next(n for n, pair in enumerate(pairs) if code in pair) for code in codes]
    flips = [code in "LPI" for code in codes]
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        turn[old, new] = -1.0 if flip else 1.0
        turn[old, 3] = volume.shape[old] - 1 if flip else 0.0
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return Volume(voxels=volume.voxels.transpose(order)[steps], affine=volume.affine @ turn)


def test_all_vertebrae_are_found_and_named(small: SpinePhantom, segmentation: Segmentation) -> None:
    """Every vertebra whose centre is in view has its code, a centre and a confidence."""
    truth = {one.code: one.centre_mm for one in small.vertebrae if one.centre_in_view}
    assert segmentation.centres_mm is not None
    assert segmentation.centres_mm.keys() == truth.keys() == segmentation.confidences.keys()
    for code, centre in truth.items():
        assert np.linalg.norm(np.subtract(segmentation.centres_mm[code], centre)) < 1.0
        assert segmentation.confidences[code] > 0.8


def test_labels_are_on_the_given_grid(small: SpinePhantom, segmentation: Segmentation) -> None:
    """The label map has the volume's shape and only known codes."""
    assert segmentation.labels.shape == small.volume.shape
    assert set(np.unique(segmentation.labels).tolist()) <= {0, *LABEL_NAMES}
    assert segmentation.whole


def test_a_flipped_and_a_shifted_look_agree(segmentation: Segmentation) -> None:
    """On perfect maps all repetitions give the same names."""
    assert segmentation.agreement is not None
    assert set(segmentation.agreement.values()) == {1.0}


def test_one_look_that_counts_otherwise_leaves_doubt_only(small: SpinePhantom) -> None:
    """With one body hidden from the repetitions, agreement falls to the first look's own share."""
    truth = {one.label: one.centre_mm for one in small.vertebrae}
    drawn_network = DrawnNetwork(small)

    def forgetful(batch: np.ndarray) -> dict[str, np.ndarray]:
        answer = dict(drawn_network(batch))
        if drawn_network.calls > 1:
            answer["heat"] = np.zeros_like(answer["heat"])
        return answer

    found = EmbeddedSegmenter(SETTINGS, network=forgetful, repeating_s=1e6).segment(
        small.volume, QUIET
    )
    assert found.agreement is not None
    assert len(found.agreement) >= len(truth) - 2
    assert list(found.agreement.values()) == pytest.approx([1 / 3] * len(found.agreement))


def test_without_time_nothing_is_repeated(small: SpinePhantom) -> None:
    """With no seconds for it the network runs once, and agreement says that it was not tried."""
    network = DrawnNetwork(small)
    segmenter = EmbeddedSegmenter(SETTINGS, network=network, repeating_s=0.0)
    assert segmenter.segment(small.volume, QUIET).agreement is None
    assert network.calls == 1


@pytest.mark.parametrize("codes", ALL_AXES)
def test_all_48_axis_orders_give_the_same_vertebrae(
    small: SpinePhantom, segmentation: Segmentation, codes: str
) -> None:
    """However the axes are stored, vertebrae have the same centres in mm and the same voxels."""
    volume = turned(small.volume, codes)
    found = segmenter_of(small, repeating_s=0.0).segment(volume, QUIET)
    assert segmentation.centres_mm is not None
    assert found.centres_mm is not None
    assert found.centres_mm.keys() == segmentation.centres_mm.keys()
    for code, centre in segmentation.centres_mm.items():
        assert np.allclose(found.centres_mm[code], centre, atol=0.1)
    assert found.labels.shape == volume.shape
    _, turn = volume.canonical()
    same = turn.forth(found.labels) == segmentation.labels
    assert same.mean() > 0.9995


def test_progress_never_falls_and_ends_at_one(small: SpinePhantom) -> None:
    """What the listener is told rises to 1."""
    told: list[Progress] = []
    segmenter_of(small).segment(small.volume, RunWatch(on_progress=told.append))
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert len(told) >= 4


def test_raising_from_progress_cancels(small: SpinePhantom) -> None:
    """An exception of the listener reaches the caller before the network is run."""

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    network = DrawnNetwork(small)
    with pytest.raises(KeyboardInterrupt):
        EmbeddedSegmenter(SETTINGS, network=network).segment(
            small.volume, RunWatch(on_progress=stop)
        )
    assert network.calls == 0


def test_memory_is_asked_for_first(small: SpinePhantom) -> None:
    """Before any work the guard hears the forecast, and its refusal reaches the caller."""
    asked: list[float] = []

    def refuse(need_mb: float, what: str) -> None:
        asked.append(need_mb)
        raise MemoryShortError(f"Too little memory for {what}.")

    network = DrawnNetwork(small)
    segmenter = EmbeddedSegmenter(SETTINGS, network=network)
    with pytest.raises(MemoryShortError, match="finding vertebrae in"):
        segmenter.segment(small.volume, RunWatch(before=refuse))
    forecast = segmenter.forecast(small.volume.shape, small.volume.spacing_mm)
    assert asked == [forecast.memory_mb]
    assert network.calls == 0


def test_the_forecast_grows_linearly() -> None:
    """Twice the slices take twice the time, but for a fixed part and repetitions."""
    segmenter = EmbeddedSegmenter(SETTINGS)
    spacing = (0.8, 0.8, 1.0)
    times = [segmenter.forecast((512, 512, n), spacing).seconds for n in (500, 1000, 1500)]
    assert times[2] - times[1] == pytest.approx(times[1] - times[0], rel=1e-6)
    assert segmenter.forecast((512, 512, 275), spacing).seconds <= 10.0
    assert segmenter.forecast((512, 512, 275), spacing).memory_mb <= 1500.0


@pytest.mark.parametrize("value", [-1024.0, 40.0])
def test_a_ct_without_a_spine_gives_nothing(value: float) -> None:
    """Air or water alone: an empty label map, no names, no error."""
    volume = Volume(
        voxels=np.full((50, 50, 30), value, np.float32), affine=np.eye(4) * (3, 3, 3, 1)
    )
    found = EmbeddedSegmenter(SETTINGS, network=blind).segment(volume, QUIET)
    assert not found.labels.any()
    assert found.confidences == {}
    assert found.agreement is None


def test_large_views_are_read_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tiles the listener is told of each patch."""
    told: list[str] = []
    monkeypatch.setattr(reading, "TILE_VOXELS", 48 * 48 * 64)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    volume = Volume(voxels=np.full((48, 40, 150), 40.0, np.float32), affine=affine)
    EmbeddedSegmenter(SETTINGS, network=blind).segment(
        volume, RunWatch(on_progress=lambda progress: told.append(progress.text))
    )
    assert any(text.startswith("Patch 2 of ") for text in told)


def test_a_missing_vertebra_is_told(small: SpinePhantom) -> None:
    """A hole in the row ends up in the notes by the names around it."""
    network = DrawnNetwork(small)
    lost = next(one for one in small.vertebrae if one.label == "L2")

    def holed(batch: np.ndarray) -> dict[str, np.ndarray]:
        answer = dict(network(batch))
        affine = network.coarse.affine
        index = np.indices(batch.shape[2:]).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
        near = (np.linalg.norm(index - lost.centre_mm, axis=1) < 27).reshape(batch.shape[2:])
        answer["heat"] = np.where(near, 0, answer["heat"]).astype(np.float32)
        answer["classes"] = np.where(near, 0, answer["classes"]).astype(np.float32)
        answer["classes"][0, 0][near] = 1.0
        return answer

    found = EmbeddedSegmenter(SETTINGS, network=holed, repeating_s=0.0).segment(small.volume, QUIET)
    assert LABEL_CODES["L2"] not in found.confidences
    assert LABEL_CODES["L1"] in found.confidences
    assert any("L1 and L3" in note for note in found.notes)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the shipped model with one byte changed."""
    source = shipped("models", "spine")
    folder = tmp_path / "spine"
    shutil.copytree(source, folder)
    name = next(name for name in json.loads((folder / "card.json").read_text())["files"])
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    return folder


def test_a_damaged_model_is_told(damaged: Path) -> None:
    """A changed byte makes the backend say that the model is damaged, before and at work."""
    segmenter = EmbeddedSegmenter(SETTINGS, model=damaged)
    lacking = segmenter.missing()
    assert lacking is not None
    assert "damaged" in lacking
    volume = Volume(voxels=np.full((20, 20, 20), 40.0, np.float32), affine=np.eye(4) * (4, 4, 4, 1))
    with pytest.raises(ModelError, match="sha256"):
        segmenter.segment(volume, QUIET)


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    """Without the folder the backend is not ready, and says so."""
    lacking = EmbeddedSegmenter(SETTINGS, model=tmp_path / "nothing").missing()
    assert lacking is not None
    assert "damaged" in lacking


def test_the_shipped_model_finds_a_drawn_spine() -> None:
    """The network that ships finds the lumbar bodies of a phantom that it never saw."""
    phantom = spine_phantom(
        np.random.default_rng(4711),
        spacing_mm=2.0,
        levels=("T12", "L5"),
        margins_mm=(60.0, 10.0),
        fov_mm=(240.0, 200.0),
    )
    segmenter = EmbeddedSegmenter(SETTINGS)
    assert segmenter.missing() is None
    found = segmenter.segment(phantom.volume, QUIET)
    assert found.centres_mm is not None
    places = np.array(list(found.centres_mm.values())).reshape(-1, 3)
    truth = [one.centre_mm for one in phantom.vertebrae if one.body_in_view > 0.9]
    hits = [np.linalg.norm(places - np.array(centre), axis=1).min() < 15 for centre in truth]
    assert sum(hits) >= len(truth) - 1
    assert "spine" in found.model.lower()

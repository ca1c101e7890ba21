"""Pictures on the disk, patches cut from them, and a loader that never lies about its order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DatasetError
from engine.segmentation.normalising import Normalisation, normalise
from engine.training.augmentation import STRENGTHS, cut, recoloured
from engine.training.examples import Example, TrainingSet
from engine.training.patches import Loader, Sampler
from engine.training.preparing import PreparedSet, prepare, read_prepared
from tests.engine.training.discs import disc_picture, disc_set


def prepared(training_set: TrainingSet, folder: Path) -> PreparedSet:
    """Prepare all of a set."""
    for _ in prepare(training_set, folder, Normalisation()):
        pass
    return read_prepared(training_set, folder)


def test_what_is_prepared_is_what_was_given(tmp_path: Path) -> None:
    """Pixels, masks, counts and places come back exactly."""
    found = prepared(disc_set(2), tmp_path).pictures[1]
    picture, mask = disc_picture(1)
    assert np.array_equal(found.picture(), picture)
    assert np.array_equal(found.mask(), mask)
    assert found.counts == (int((mask == 0).sum()), int((mask == 1).sum()))
    rows, columns = found.places[1].T
    assert (mask[rows, columns] == 1).all()


def test_an_interrupted_preparation_goes_on(tmp_path: Path) -> None:
    """What lies on the disk is not loaded again."""
    loads: list[int] = []

    def counted(seed: int) -> Example:
        def load() -> tuple[np.ndarray, np.ndarray]:
            loads.append(seed)
            return disc_picture(seed)

        return Example(name=str(seed), load=load)

    whole = TrainingSet(
        name="counted", classes=("background", "disc"), examples=tuple(map(counted, range(3)))
    )
    next(iter(prepare(whole, tmp_path, Normalisation())))
    prepared(whole, tmp_path)
    assert loads == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [(255, "Nothing is annotated"), (1, "are “disc”, so there is nothing to tell apart")],
)
def test_masks_that_teach_nothing_are_refused(tmp_path: Path, value: int, message: str) -> None:
    """All unknown, or all of one class: a sentence says what to do."""
    picture = np.zeros((8, 8, 3), np.uint8)
    one = Example(name="one", load=lambda: (picture, np.full((8, 8), value, np.uint8)))
    training_set = TrainingSet(name="dull", classes=("background", "disc"), examples=(one,))
    with pytest.raises(DatasetError, match=message):
        prepared(training_set, tmp_path)


def test_without_change_a_patch_is_a_part_of_the_picture() -> None:
    """Strength none: the pixels around the centre, as they are."""
    picture, mask = disc_picture(3)
    found = cut(picture, mask, (32, 32), patch_px=16, strength="none", rng=np.random.default_rng(0))
    assert np.array_equal(found.mask, mask[25:41, 25:41])
    assert np.array_equal(found.picture, picture[25:41, 25:41])


def test_quarter_turns_copy_pixels() -> None:
    """Half of all patches are turned by right angles only: their pixels are the picture's."""
    picture, mask = disc_picture(3)
    exact = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = cut(picture, mask, (32, 32), patch_px=24, strength="light", rng=rng)
        turns = [np.rot90(found.picture, k) for k in range(4)]
        turns += [one[:, ::-1] for one in turns]
        exact += any(
            np.array_equal(turn, picture[r : r + 24, c : c + 24])
            for turn in turns
            for r in (20, 21)
            for c in (20, 21)
        )
    assert 5 <= exact <= 15


def test_beyond_the_border_both_are_mirrored() -> None:
    """A patch at a corner is filled up with the mirrored picture and the mirrored mask."""
    _, mask = disc_picture(3)
    picture = np.repeat(mask[..., None] * 200, 3, axis=2).astype(np.uint8)
    found = cut(picture, mask, (0, 0), patch_px=32, strength="none", rng=np.random.default_rng(0))
    assert found.picture.shape == (32, 32, 3)
    assert set(np.unique(found.mask)) <= {0, 1}
    assert ((found.picture[..., 0] > 100) == (found.mask == 1)).mean() > 0.9


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_turned_mask_keeps_its_values(strength: str) -> None:
    """No value between the classes comes up, whatever is done to a patch."""
    picture, mask = disc_picture(5)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = cut(picture, mask, (30, 20), patch_px=48, strength=strength, rng=rng)  # type: ignore[arg-type]  # one of them
        assert set(np.unique(found.mask)) <= {0, 1, 255}
        values = np.moveaxis(found.picture, -1, 0).astype(np.float32) / 64 - 2
        assert np.isfinite(recoloured(values, strength, rng)).all()  # type: ignore[arg-type]  # one of them


def test_picture_and_mask_are_moved_together() -> None:
    """Bright pixels are those of the disc after any turn, mirror and bend."""
    _, mask = disc_picture(7)
    picture = np.repeat(mask[..., None] * 200, 3, axis=2).astype(np.uint8)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found = cut(picture, mask, (32, 32), patch_px=48, strength="strong", rng=rng)
        known = found.mask != 255
        bright = found.picture[..., 0] > 100
        assert (bright == (found.mask == 1))[known].mean() > 0.97


def test_a_picture_of_one_pixel_fills_a_patch(tmp_path: Path) -> None:
    """The smallest picture is no special case."""
    one = Example(
        name="dot", load=lambda: (np.full((1, 1, 3), 9, np.uint8), np.ones((1, 1), np.uint8))
    )
    whole = replace(disc_set(2), examples=(*disc_set(2).examples, one))
    pictures = prepared(whole, tmp_path).pictures
    sampler = Sampler(pictures[2:], patch_px=32, batch_size=2, strength="strong", seed=0)
    batch = sampler.batch(0)
    assert batch.pictures.shape == (2, 3, 32, 32)
    assert np.isfinite(batch.pictures).all()


def test_a_batch_follows_from_its_step_alone(tmp_path: Path) -> None:
    """Step 5 is the same whether or not steps before it were cut."""
    pictures = prepared(disc_set(4), tmp_path).pictures
    first, second = (
        Sampler(pictures, patch_px=32, batch_size=3, strength="medium", seed=9) for _ in range(2)
    )
    for step in range(5):
        first.batch(step)
    assert np.array_equal(first.batch(5).pictures, second.batch(5).pictures)
    assert not np.array_equal(first.batch(5).pictures, first.batch(6).pictures)


def test_rare_classes_are_seen(tmp_path: Path) -> None:
    """A class in one of 400 pixels is in a good part of the patches."""
    mask = np.zeros((200, 200), np.uint8)
    mask[5:15, 5:15] = 1
    one = Example(name="rare", load=lambda: (np.zeros((200, 200, 3), np.uint8), mask))
    whole = TrainingSet(name="rare", classes=("background", "dot"), examples=(one,))
    sampler = Sampler(
        prepared(whole, tmp_path).pictures, patch_px=32, batch_size=40, strength="none", seed=0
    )
    assert (sampler.batch(0).masks == 1).any(axis=(1, 2)).mean() > 0.25


def test_patches_are_normalised_as_whole_pictures_are(tmp_path: Path) -> None:
    """Without augmentation a patch has the values that the serving path gives the same pixels."""
    found = prepared(disc_set(1), tmp_path).pictures[0]
    patch = Sampler([found], patch_px=64, batch_size=1, strength="none", seed=0).batch(0)
    whole = normalise(np.array(found.picture()), found.levels)
    assert set(np.unique(patch.pictures[0, 0])) <= set(np.unique(whole[0]))


def test_the_loader_keeps_the_order_and_raises_what_went_wrong(tmp_path: Path) -> None:
    """Batches come by their step from the first one asked for; an error is not swallowed."""
    pictures = prepared(disc_set(2), tmp_path).pictures
    sampler = Sampler(pictures, patch_px=32, batch_size=1, strength="none", seed=0)
    with Loader(sampler, first=7) as loader:
        steps = [batch.step for batch, _ in zip(loader, range(4), strict=False)]
    assert steps == [7, 8, 9, 10]
    (pictures[0].folder / "picture.npy").unlink()
    (pictures[1].folder / "picture.npy").unlink()
    with Loader(sampler, first=0) as loader, pytest.raises(FileNotFoundError, match="picture"):
        next(iter(loader))

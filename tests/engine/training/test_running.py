"""A whole training on drawn discs: it learns, goes on, pauses, stops, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import JobCancelledError, ModelError
from engine.inference import cards
from engine.segmentation.segmenter import open_segmenter
from engine.training import events
from engine.training.learner import Learner
from engine.training.planning import Wishes
from engine.training.running import train
from tests.engine.training.discs import disc_picture, disc_set

WISHES = Wishes(epochs=4, batch_size=2, patch_px=64)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in one order, so that equal means equal."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[events.Event]]:
    """One training from beginning to end; its folder and all of its events."""
    folder = tmp_path_factory.mktemp("training")
    return folder, list(train(disc_set(12), WISHES, folder))


def epochs(told: list[events.Event]) -> list[tuple[int, float, float]]:
    """Return number, loss and Dice of each epoch."""
    found = [one for one in told if isinstance(one, events.EpochEnded)]
    return [(one.epoch, one.train_loss, one.mean_dice) for one in found]


def test_it_learns_what_can_be_learnt(whole: tuple[Path, list[events.Event]]) -> None:
    """Bright discs are found: a threshold would reach 1, four epochs reach 0.9."""
    finished = whole[1][-1]
    assert isinstance(finished, events.Finished)
    assert finished.metrics["part"] == "test"
    assert finished.metrics["mean_dice"]["value"] > 0.9


def test_events_come_in_their_order(whole: tuple[Path, list[events.Event]]) -> None:
    """Prepare, plan, learn, measure, finish; the first within the first picture."""
    kinds = [one.kind for one in whole[1]]
    assert kinds[0] == "prepared"
    order = ["prepared", "planned", "step", "epoch", "samples", "evaluating", "finished"]
    firsts = [kinds.index(kind) for kind in order]
    assert firsts == sorted(firsts)
    assert [one[0] for one in epochs(whole[1])] == [1, 2, 3, 4]


def test_every_event_is_plain_json(whole: tuple[Path, list[events.Event]]) -> None:
    """Each can be stored as a line; what is no number is none."""
    import json

    for one in whole[1]:
        line = json.dumps(one.to_json(), allow_nan=False)
        assert json.loads(line)["kind"] == one.kind


def test_the_folder_is_a_model(whole: tuple[Path, list[events.Event]]) -> None:
    """Card, both kinds of weights, figures and curves, all in the card by their hashes."""
    card = cards.load(whole[0] / "model")
    assert {"model.xml", "model.bin", "weights.safetensors", "metrics.json", "curves.png"} <= set(
        card.files
    )
    assert card.classes == ("background", "disc")
    assert card.details["plan"]["epochs"] == 4
    assert card.metrics["mean_dice"]["pictures"] == 2


def test_the_model_answers_new_pictures(whole: tuple[Path, list[events.Event]]) -> None:
    """Discs of a seed that was never seen are where they were drawn."""
    picture, mask = disc_picture(999)
    found = open_segmenter(whole[0] / "model").predict(picture).mask
    overlap = 2 * ((found == 1) & (mask == 1)).sum() / ((found == 1).sum() + (mask == 1).sum())
    assert overlap > 0.85


def test_samples_are_drawn(whole: tuple[Path, list[events.Event]]) -> None:
    """The pictures that a page shows lie on the disk."""
    drawn = [one for one in whole[1] if isinstance(one, events.SamplesDrawn)]
    assert all((whole[0] / path).stat().st_size > 100 for one in drawn for path in one.paths)


def test_a_killed_training_goes_on_as_if_nothing_had_been(
    whole: tuple[Path, list[events.Event]], tmp_path: Path
) -> None:
    """Dropped after a checkpoint and begun again: the same losses and Dice to the last digit."""
    first: list[events.Event] = []
    for one in train(disc_set(12), WISHES, tmp_path):
        first.append(one)
        if isinstance(one, events.CheckpointSaved) and one.step >= 8:
            break
    second = list(train(disc_set(12), WISHES, tmp_path))
    planned = next(one for one in second if isinstance(one, events.Planned))
    assert planned.resumed_at_step >= 8
    assert epochs([*first, *second]) == epochs(whole[1])


def test_a_pause_saves_and_a_resume_goes_on(tmp_path: Path) -> None:
    """While somebody wants a pause no step is made; then the steps go on."""
    wishes = iter(["go", "go", "pause", "pause", "pause", *["go"] * 10_000])
    told = list(
        train(
            disc_set(6),
            Wishes(epochs=1, batch_size=2, patch_px=64),
            tmp_path,
            control=lambda: next(wishes),  # type: ignore[arg-type, return-value]  # one of the three
        )
    )
    kinds = [one.kind for one in told]
    paused, resumed = kinds.index("paused"), kinds.index("resumed")
    assert resumed == paused + 1
    assert "checkpoint" in kinds[:paused]
    assert kinds[-1] == "finished"


def test_stopping_keeps_the_best(tmp_path: Path) -> None:
    """Somebody who has seen enough gets a model of what was learnt, and the reason is told."""
    seen = 0

    def wish() -> Any:
        nonlocal seen
        seen += 1
        return "finish" if seen > 3 else "go"

    told = list(
        train(disc_set(6), Wishes(epochs=50, batch_size=2, patch_px=64), tmp_path, control=wish)
    )
    stopped = next(one for one in told if isinstance(one, events.Stopped))
    assert "asked to stop" in stopped.reason
    assert stopped.step == 3
    assert isinstance(told[-1], events.Finished)
    assert cards.load(tmp_path / "model").classes == ("background", "disc")


def test_a_cancelled_training_leaves_its_state_and_no_model(tmp_path: Path) -> None:
    """What ends it from outside passes through; the next run resumes."""
    steps = 0

    def check() -> None:
        nonlocal steps
        steps += 1
        if steps > 10:
            raise JobCancelledError("told to stop")

    with pytest.raises(JobCancelledError, match="told to stop"):
        for _ in train(disc_set(6), WISHES, tmp_path, check=check):
            pass
    assert (tmp_path / "checkpoint.json").is_file()
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_no_number_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that blow up after the first epoch: the reason is told, the epoch's best shipped."""
    learn = Learner.learn

    def spoilt(self: Learner, *given: Any) -> float:
        if self.step >= 12:
            with torch.no_grad():
                next(iter(self.network.parameters())).fill_(float("nan"))
        return learn(self, *given)

    monkeypatch.setattr(Learner, "learn", spoilt)
    told = list(train(disc_set(8), WISHES, tmp_path))
    stopped = next(one for one in told if isinstance(one, events.Stopped))
    assert "Learning broke down: the loss is nan" in stopped.reason
    assert isinstance(told[-1], events.Finished)
    assert np.isfinite(
        open_segmenter(tmp_path / "model").scores(np.zeros((1, 3, 32, 32), "f4"))
    ).all()


def test_a_loss_that_never_was_a_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing worth keeping there is no model, but a sentence."""

    def spoilt(self: Learner, *_: Any) -> float:
        from engine.training.learner import NotFiniteError

        raise NotFiniteError("the loss is inf at step 1")

    monkeypatch.setattr(Learner, "learn", spoilt)
    with pytest.raises(ModelError, match="nothing worth keeping; start again"):
        list(train(disc_set(6), WISHES, tmp_path))
    assert not (tmp_path / "model").exists()


def test_one_picture_is_enough_to_try(tmp_path: Path) -> None:
    """The figures then say nothing, and the card says so."""
    told = list(train(disc_set(1), Wishes(epochs=1, batch_size=1, patch_px=64), tmp_path))
    assert isinstance(told[-1], events.Finished)
    assert told[-1].metrics["part"] == "validation"
    planned = next(one for one in told if isinstance(one, events.Planned))
    assert "one picture only" in planned.division


def test_more_time_can_be_given_on_the_way(tmp_path: Path) -> None:
    """The plan of a folder stays, its length follows the newest wish."""
    for one in train(disc_set(6), Wishes(epochs=9, batch_size=2, patch_px=64), tmp_path):
        if isinstance(one, events.CheckpointSaved):
            break
    told = list(train(disc_set(6), Wishes(epochs=1), tmp_path))
    planned = next(one for one in told if isinstance(one, events.Planned))
    assert (planned.plan.epochs, planned.plan.patch_px) == (1, 64)

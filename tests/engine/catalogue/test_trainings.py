"""Trainings: from a dataset to a model in the registry, watched, steered, interrupted, refused."""

from __future__ import annotations

import errno
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.catalogue.trainings import places, running
from engine.catalogue.trainings.datasets import remembered_set
from engine.catalogue.trainings.history import History, read_history
from engine.errors import (
    DatasetError,
    DiskShortError,
    JobCancelledError,
    NotAllowedError,
    NotFoundError,
    RequestError,
)
from engine.inference.openvino_library import load_openvino
from engine.people.actors import SYSTEM
from engine.segmentation.scoring import confusion, overlaps
from engine.segmentation.segmenter import open_segmenter
from engine.store.records import Job, ModelRecord
from engine.training import disk
from tests.engine.catalogue.training_house import ANN, BOSS, CLASSES, ULI, WISHES, House, discs


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    """Leave the other core to other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A home in which one training of six epochs was done."""
    torch.set_num_threads(1)
    house = House.at(tmp_path_factory.mktemp("trained"))
    house.run(house.job(wishes={**WISHES, "epochs": 6}, name="First"))
    return house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A home in which nothing was trained."""
    made = House.at(tmp_path / "home")
    yield made
    made.bench.close()


def only_model(house: House) -> ModelRecord:
    """The one model that was trained."""
    (model,) = house.bench.store.models.read()
    return model


def only_job(house: House) -> Job:
    """The one job there is."""
    (job,) = house.bench.queue.all()
    return job


# --- what comes of it ----------------------------------------------------------------------------


def test_a_training_becomes_a_model_with_all_that_it_comes_from(trained: House) -> None:
    """Version of the dataset, settings, figures, code; the first of its home is used."""
    model, job = only_model(trained), only_job(trained)
    (version,) = trained.bench.datasets.versions(
        trained.bench.datasets.get(BOSS, trained.dataset.id).dataset
    )
    assert (model.name, model.version, model.status, model.stage) == (
        "First", 1, "completed", "active",
    )  # fmt: skip
    assert model.dataset_manifest_sha256 == version.manifest_sha256
    assert (model.dataset_id, model.job_id) == (trained.dataset.id, job.id)
    assert (model.hyperparameters["epochs"], model.hyperparameters["patch_px"]) == (6, 64)
    assert model.code_version
    assert model.card["details"]["dataset"]["manifest_sha256"] == version.manifest_sha256
    assert sorted(model.card["details"]["parts"]["test"]) == ["3.png", "7.png"]
    assert [(one.kind, one.ref) for one in job.results] == [("model", model.id)]
    active = trained.bench.models.active()
    assert active is not None
    assert active.id == model.id


def test_the_model_finds_what_it_never_saw(trained: House) -> None:
    """Discs of another seed; Dice counted here, and the card's figure counted again."""
    folder = trained.bench.models.folder(ANN, only_model(trained).id)
    segmenter = open_segmenter(folder)
    picture, mask = discs(99)
    found = segmenter.predict(picture).mask
    assert overlaps(confusion(mask, found, 2))[1].dice > 0.8
    truths = [discs(seed) for seed in (3, 7)]
    each = [overlaps(confusion(m, segmenter.predict(p).mask, 2))[1].dice for p, m in truths]
    told = only_model(trained).metrics["dice"]["disc"]
    assert told["value"] == pytest.approx(sum(each) / 2, abs=0.02)


def test_what_was_told_can_be_seen_after_the_end(trained: House) -> None:
    """Plan, six epochs, steps, pictures that improve; the work folder may go."""
    job = only_job(trained)
    shown = trained.bench.trainings.progress(ULI, job.id)
    assert [one["epoch"] for one in shown.epochs] == [1, 2, 3, 4, 5, 6]
    assert shown.epochs[-1]["mean_dice"] > shown.epochs[0]["mean_dice"]
    assert shown.planned["plan"]["epochs"] == 6
    assert shown.planned["parts"] == {"train": 4, "validation": 2, "test": 2}
    assert shown.preparing == (8, 8)
    assert shown.model_id == only_model(trained).id
    assert shown.samples[0].epoch == 1
    assert all(path.read_bytes()[:4] == b"\x89PNG" for one in shown.samples for path in one.paths)
    assert not shown.is_paused
    assert not (places.work_folder(trained.bench.settings, job.id) / "history.jsonl").exists()


@pytest.mark.parametrize("form", ["bundle", "openvino"])
def test_a_bundle_is_a_model_elsewhere(trained: House, tmp_path: Path, form: str) -> None:
    """Brought into another home, it answers the same, pixel for pixel."""
    model = only_model(trained)
    picture, _ = discs(99)
    folder = trained.bench.models.folder(ANN, model.id)
    # In one precision: which one is quicker is measured, and may turn out otherwise each time.
    wanted = open_segmenter(folder, precision="f32").predict(picture)
    other = House.at(tmp_path / "other", count=0)
    with trained.bench.models.bundle(ULI, model.id, form) as path:
        assert "lightbox predict" in zipfile.ZipFile(path).read("README.md").decode()
        made = other.bench.models.add(BOSS, path)
    assert (made.name, made.stage, made.hyperparameters["imported"]) == ("First", "active", True)
    brought = other.bench.models.folder(ANN, made.id)
    found = open_segmenter(brought, precision="f32").predict(picture)
    assert (found.mask == wanted.mask).all()
    assert (found.uncertainty == wanted.uncertainty).all()


def test_onnx_and_safetensors_answer_the_same(trained: House, tmp_path: Path) -> None:
    """ONNX in OpenVINO and the weights in torch, both with nothing but the ZIP."""
    from safetensors.torch import load_file

    from engine.training.architectures import build

    models, model = trained.bench.models, only_model(trained)
    folder = models.folder(ANN, model.id)
    core = load_openvino().Core()
    values = np.random.default_rng(1).normal(size=(2, 3, 64, 96)).astype(np.float32)
    shipped = core.compile_model(str(folder / "model.xml"), "CPU")
    wanted = shipped({0: values})[shipped.output(0)].argmax(axis=1)
    for form in ("onnx", "safetensors"):
        with models.bundle(ULI, model.id, form) as path, zipfile.ZipFile(path) as archive:
            assert json.loads(archive.read("model.json"))["classes"] == list(CLASSES)
            archive.extractall(tmp_path / form)
    onnx = core.compile_model(str(tmp_path / "onnx" / "model.onnx"), "CPU")
    assert (onnx({0: values})[onnx.output(0)].argmax(axis=1) == wanted).mean() > 0.999
    config = json.loads((tmp_path / "safetensors" / "config.json").read_bytes())
    network = build(config["architecture"]["name"], 2, config["architecture"]["options"])
    network.load_state_dict(load_file(tmp_path / "safetensors" / "weights.safetensors"))
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(values)).numpy().argmax(axis=1)
    assert (found == wanted).mean() > 0.999


# --- which pictures ------------------------------------------------------------------------------


def test_a_training_learns_from_the_version_and_not_from_what_is_drawn_meanwhile(
    house: House, tmp_path: Path
) -> None:
    """Masks that count, no drafts; the choice is the same at the next attempt."""
    bench = house.bench
    house.put(discs(20)[0], discs(20)[1], state="draft", name="draft.png")
    house.put(discs(21)[0], None, name="bare.png")
    version = bench.datasets.freeze(BOSS, house.dataset.id).manifest_sha256
    dataset = bench.store.datasets.read()[house.dataset.id]

    def chosen(folder: Path, version: str = version) -> list[tuple[str, int]]:
        folder.mkdir(exist_ok=True)
        found = remembered_set(bench.store, bench.files, dataset, version=version, folder=folder)
        assert found.manifest_sha256 == version
        return [(one.name, int(one.load()[1].sum())) for one in found.examples]

    wanted = [(f"{n}.png", int(discs(n)[1].sum())) for n in range(8)]
    assert chosen(tmp_path / "a") == wanted
    images = {one.name: one for one in bench.store.images.read()}
    house.draw(images["draft.png"], discs(20)[1])
    house.draw(images["0.png"], np.ones((64, 80), np.uint8), state="approved")
    house.put(*discs(22), name="00.png")
    assert chosen(tmp_path / "a") == wanted  # the attempt goes on with its own
    again = chosen(tmp_path / "b")
    assert [row for row in again if row[0] != "draft.png"] == wanted  # the version is what it was
    with pytest.raises(RequestError, match="no version"):
        chosen(tmp_path / "c", "0" * 64)


def test_a_dataset_that_cannot_be_learnt_from_leaves_no_model(house: House) -> None:
    """Masks of one class: a sentence that names it."""
    for image in house.bench.store.images.read():
        house.draw(image, np.zeros((64, 80), np.uint8), state="approved")
    with pytest.raises(DatasetError, match="background"):
        house.run(house.job())
    assert len(house.bench.store.models.read()) == 0


def test_what_cannot_be_started_is_refused_before_a_job_is_made(house: House) -> None:
    """No masks, no such dataset, wishes out of range, somebody who may not."""
    trainings, name = house.bench.trainings, house.dataset.id
    with pytest.raises(NotAllowedError):
        trainings.start(ULI, name)
    with pytest.raises(NotFoundError):
        trainings.start(ANN, "gone")
    with pytest.raises(RequestError, match="epochs"):
        trainings.start(ANN, name, {"epochs": 0})
    with house.bench.store.masks.transaction() as masks:
        for mask in list(masks.values()):
            masks.remove(mask.id)
    with pytest.raises(RequestError, match="none has a mask"):
        trainings.start(ANN, name)
    assert trainings.list(ULI) == ()


def test_a_suggestion_has_a_plan_with_reasons(house: House) -> None:
    """What was wished for is in it, the rest follows from pictures and machine."""
    made = house.bench.trainings.suggest(ANN, house.dataset.id, {"epochs": 3})
    assert (made.pictures, made.plan.epochs, made.plan.classes) == (8, 3, CLASSES)
    assert made.plan.memory_mb > 0
    assert {"Network", "Patch", "Batch", "Memory"} <= {one.about for one in made.plan.reasons}
    with pytest.raises(RequestError, match="nothing"):
        house.bench.trainings.suggest(ANN, house.dataset.id, {"variant": "nothing"})


# --- interrupted ---------------------------------------------------------------------------------


def test_a_cancelled_training_leaves_no_model_and_goes_on_when_retried(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the first epoch; the retry adds the second and does not repeat the first."""
    job = house.job()
    context = house.context(job)
    log = context.log

    def stopping(text: str) -> None:
        log(text)
        if text.startswith("Epoch 1"):
            context.stop()

    monkeypatch.setattr(context, "log", stopping)
    with pytest.raises(JobCancelledError):
        running.train_model(context)
    assert len(house.bench.store.models.read()) == 0
    assert [e["epoch"] for e in read_history(context.folder) if e["kind"] == "epoch"] == [1]
    house.run(job)
    shown = house.bench.trainings.progress(ULI, job.id)
    assert [one["epoch"] for one in shown.epochs] == [1, 2]
    assert shown.planned["resumed_at_step"] > 0
    assert only_model(house).job_id == job.id


def test_a_full_disk_is_told_and_costs_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint finds no room: no model, no half file; with room again it goes on."""
    real = disk.os.fsync
    full = threading.Event()

    def fsync(descriptor: int) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(disk.os, "fsync", fsync)
    job = house.job()
    context = house.context(job)
    monkeypatch.setattr(History, "add", _then(History.add, "planned", full.set))
    with pytest.raises((DiskShortError, OSError), match="full"):
        running.train_model(context)
    assert len(house.bench.store.models.read()) == 0
    assert not list(context.folder.glob("*.tmp"))
    full.clear()
    monkeypatch.undo()
    torch.set_num_threads(1)
    house.run(job)
    assert only_model(house).status == "completed"


def _then(add: Any, kind: str, do: Any) -> Any:
    def added(history: History, event: dict[str, Any]) -> None:
        add(history, event)
        if event["kind"] == kind:
            do()

    return added


def test_the_second_of_two_trainings_waits_and_is_told_for_whom(house: House) -> None:
    """Two people press Train: one works, the other one says why it does not."""
    first, second = house.context(house.job()), house.context(house.job(name="Other"))
    told: list[str] = []
    report = second.report

    def heard(fraction: float | None, stage: str = "", message: str = "") -> None:
        told.append(f"{stage}: {message}")
        report(fraction, stage, message)

    second.report = heard  # type: ignore[method-assign]
    entered = threading.Event()

    def enter() -> None:
        with running._alone(second):
            entered.set()

    with running._alone(first):
        waiting = threading.Thread(target=enter)
        waiting.start()
        while not told:
            time.sleep(0.01)
        assert not entered.is_set()
        assert told[0] == "Waiting: “Train “Discs”” is at work. One training runs at a time."
    assert entered.wait(30)
    waiting.join()


def test_pausing_and_finishing_are_heard(house: House) -> None:
    """A pause holds it until it may go on; finishing keeps the best and measures it."""
    trainings = house.bench.trainings
    job = trainings.start(SYSTEM, house.dataset.id, {**WISHES, "epochs": 500})
    trainings.ask(BOSS, job.id, "pause")
    ended: list[str] = []

    def train() -> None:
        torch.set_num_threads(1)  # of this thread; two would spin for one core
        ended.append(house.run(job))

    work = threading.Thread(target=train)
    work.start()
    until(lambda: trainings.progress(ULI, job.id).is_paused)
    before = len(trainings.progress(ULI, job.id).steps)
    time.sleep(0.6)
    assert len(trainings.progress(ULI, job.id).steps) == before
    trainings.ask(BOSS, job.id, "go")
    until(lambda: len(trainings.progress(ULI, job.id).epochs) >= 2)
    trainings.ask(BOSS, job.id, "finish")
    work.join(180)
    assert "is ready" in ended[0]
    assert "keep the best" in trainings.progress(ULI, job.id).stopped
    with pytest.raises(RequestError, match="nothing left to steer"):
        trainings.ask(BOSS, job.id, "pause")


def test_only_whoever_started_it_steers_it(house: House) -> None:
    """Another annotator may not; an administrator may; a wish must be one of three."""
    from engine.people.actors import Actor

    trainings = house.bench.trainings
    job = trainings.start(ANN, house.dataset.id, WISHES)
    other = Actor(id="otto", name="Otto", role="ANNOTATOR")
    assert [trainings.may_steer(who, job) for who in (ANN, BOSS, other, ULI)] == [
        True, True, False, False,
    ]  # fmt: skip
    for who in (other, ULI):
        with pytest.raises(NotAllowedError):
            trainings.ask(who, job.id, "finish")
    with pytest.raises(RequestError, match="faster"):
        trainings.ask(ANN, job.id, "faster")  # type: ignore[arg-type]
    sample = house.bench.queue.submit("sample_data", {}, actor=SYSTEM)
    with pytest.raises(NotFoundError, match="no training"):
        trainings.progress(ANN, sample.id)


def test_a_history_that_was_cut_off_is_read_and_continued(tmp_path: Path) -> None:
    """A kill in the middle of a line loses that line; an epoch that is told again counts once."""
    history = History(tmp_path)
    history.add({"kind": "epoch", "epoch": 1, "mean_dice": 0.5})
    history.add({"kind": "epoch", "epoch": 2, "mean_dice": 0.6})
    path = tmp_path / "history.jsonl"
    with path.open("ab") as file:
        file.write(b'{"kind": "epoch", "epo')
    assert [one["epoch"] for one in read_history(tmp_path)] == [1, 2]
    History(tmp_path).add({"kind": "epoch", "epoch": 2, "mean_dice": 0.7})
    assert [one["mean_dice"] for one in read_history(tmp_path)] == [0.5, 0.7]
    assert read_history(tmp_path / "nowhere") == []


def until(is_so: Any, seconds: float = 120.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)

"""Models: one active of each task, promoted with a reason, brought in and taken along safely."""

from __future__ import annotations

import io
import json
import pickle
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalogue.models import Models, bundles
from engine.errors import (
    BusyError,
    LightboxError,
    ModelError,
    NotAllowedError,
    NotFoundError,
    RequestError,
    TooLargeError,
)
from engine.inference import cards
from engine.people.actors import NOBODY
from engine.segmentation.segmenter import open_segmenter
from engine.store.files.references import in_records
from engine.store.records import ModelRecord
from tests.engine.catalogue.training_house import ANN, BOSS, ULI, House
from tests.engine.segmentation.threshold_model import (
    dark_squares,
    true_mask,
    write_threshold_model,
)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A home without models; the program brings none either."""
    monkeypatch.setattr("engine.catalogue.models.registry.shipped_models", lambda: ())
    made = House.at(tmp_path / "home", count=0)
    yield made
    made.bench.close()


def bring(house: House, folder: Path, name: str = "Nuclei", **about: object) -> ModelRecord:
    """A model whose answers are known, as a training would leave it."""
    write_threshold_model(folder, name=name, **about)
    return house.bench.models.keep(folder, actor_id="boss", name=name)


def stages(models: Models) -> dict[int, str]:
    """The stage of each version."""
    return {one.version: one.stage for one in models.list(ULI)}


def _id(model: ModelRecord | None) -> str:
    """The id of a model that is there."""
    assert model is not None
    return model.id


# --- which one is used ---------------------------------------------------------------------------


def test_of_each_task_one_model_is_active(house: House, tmp_path: Path) -> None:
    """The first is; promoting another takes its place; retiring leaves none."""
    models = house.bench.models
    assert models.active() is None
    first, second = (bring(house, tmp_path / str(n)) for n in range(2))
    assert (first.version, first.stage, second.version, second.stage) == (
        1, "active", 2, "candidate",
    )  # fmt: skip
    eyes = bring(house, tmp_path / "eyes", task="eyes")
    assert eyes.stage == "active"
    made = models.promote(BOSS, second.id, reason=" Better on  small ones. ")
    assert (made.stage, made.stage_reason) == ("active", "Better on small ones.")
    assert stages(models) == {1: "candidate", 2: "active", 3: "active"}
    assert _id(models.active()) == made.id
    assert _id(models.active("eyes")) == eyes.id
    models.retire(BOSS, second.id, reason="Wrong dataset.")
    assert models.active() is None
    assert [one.id for one in models.list(ULI, stage="retired")] == [second.id]
    assert [one.id for one in models.list(ULI, task="eyes")] == [eyes.id]
    texts = [entry.text for entry in house.bench.audit.entries().entries]
    assert any("Promoted “Nuclei” version 2: Better on small ones." in text for text in texts)
    assert any("Retired “Nuclei” version 2: Wrong dataset." in text for text in texts)


def test_rolling_back_goes_further_back_each_time(house: House, tmp_path: Path) -> None:
    """1, 2, 3 were promoted in turn: back to 2, back to 1, and there is none before it."""
    models = house.bench.models
    made = [bring(house, tmp_path / str(n)) for n in range(3)]
    for one in made[1:]:
        models.promote(BOSS, one.id, reason="Newer.")
    back = models.roll_back(BOSS, "segmentation", reason="It misses some.")
    assert (back.version, back.stage_reason) == (2, "Rolled back: It misses some.")
    assert models.roll_back(BOSS, "segmentation", reason="So does it.").version == 1
    with pytest.raises(RequestError, match="no earlier model"):
        models.roll_back(BOSS, "segmentation", reason="On.")
    assert stages(models) == {1: "active", 2: "candidate", 3: "candidate"}


def test_two_who_promote_at_once_leave_one_active(house: House, tmp_path: Path) -> None:
    """Whoever was last wins; never two, never none."""
    models = house.bench.models
    made = [bring(house, tmp_path / str(n)) for n in range(4)]
    start = threading.Barrier(3)

    def promote(model: ModelRecord) -> None:
        start.wait()
        models.promote(BOSS, model.id, reason="Mine.")

    people = [threading.Thread(target=promote, args=(one,)) for one in made[1:]]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(stages(models).values()) == ["active", "candidate", "candidate", "candidate"]


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_change_needs_a_reason(house: House, tmp_path: Path, reason: str) -> None:
    """Without one, or with an essay, all stays as it is."""
    first, second = (bring(house, tmp_path / str(n)) for n in range(2))
    models = house.bench.models
    for change in (
        lambda: models.promote(BOSS, second.id, reason=reason),
        lambda: models.retire(BOSS, first.id, reason=reason),
        lambda: models.roll_back(BOSS, "segmentation", reason=reason),
    ):
        with pytest.raises(RequestError, match="reason"):
            change()
    assert stages(models) == {1: "active", 2: "candidate"}


def test_what_cannot_be_used_is_not_promoted(house: House, tmp_path: Path) -> None:
    """One in use already, one whose training failed, one that is not there."""
    models, first = house.bench.models, bring(house, tmp_path / "a")
    with pytest.raises(RequestError, match="in use already"):
        models.promote(BOSS, first.id, reason="Again.")
    failed = ModelRecord(name="Broken", task="segmentation", status="failed")
    with house.bench.store.models.transaction() as changes:
        changes.put(failed)
    with pytest.raises(RequestError, match="failed"):
        models.promote(BOSS, failed.id, reason="Why not.")
    with pytest.raises(ModelError, match="no files"):
        models.folder(ULI, failed.id)
    with pytest.raises(NotFoundError):
        models.promote(BOSS, "gone", reason="Where is it?")


def test_only_an_administrator_manages(house: House, tmp_path: Path) -> None:
    """Everybody with a name sees models; nobody without."""
    models, model = house.bench.models, bring(house, tmp_path / "a")
    for change in (
        lambda: models.promote(ANN, model.id, reason="Mine."),
        lambda: models.retire(ANN, model.id, reason="Not mine."),
        lambda: models.roll_back(ANN, "segmentation", reason="Back."),
        lambda: models.delete(ANN, model.id),
        lambda: models.rename(ANN, model.id, name="Mine"),
        lambda: models.add(ANN, tmp_path / "a.zip"),
    ):
        with pytest.raises(NotAllowedError):
            change()
    assert models.get(ULI, model.id).name == model.name
    with pytest.raises(LightboxError):
        models.list(NOBODY)


# --- where it comes from, and its end ------------------------------------------------------------


def test_a_version_follows_the_one_before(house: House, tmp_path: Path) -> None:
    """Lineage goes from the newest to the first; another name begins anew."""
    made = [bring(house, tmp_path / str(n)) for n in range(3)]
    other = bring(house, tmp_path / "o", name="Glands")
    models = house.bench.models
    assert [one.version for one in models.lineage(ULI, made[2].id)] == [3, 2, 1]
    assert [one.id for one in models.lineage(ULI, other.id)] == [other.id]
    renamed = models.rename(BOSS, made[0].id, name=" Glands ")
    assert (renamed.name, renamed.version) == ("Glands", 2)
    with pytest.raises(RequestError, match="1 to 120"):
        models.rename(BOSS, made[0].id, name="")


def test_a_model_is_deleted_when_nothing_needs_it(house: House, tmp_path: Path) -> None:
    """Not the active one, none that a job works with; its files stay named until then."""
    models, bench = house.bench.models, house.bench
    first, second = (bring(house, tmp_path / str(n), tile_px=64 + 64 * n) for n in range(2))
    with pytest.raises(RequestError, match="in use"):
        models.delete(BOSS, first.id)
    job = bench.queue.submit("export_model", {"model": second.id}, actor=BOSS)
    with pytest.raises(BusyError, match="Export"):
        models.delete(BOSS, second.id)
    bench.queue.cancel(job.id, BOSS)
    folder = models.folder(ULI, second.id)
    card = next(file.sha256 for file in second.files if file.name == "card.json")
    assert card in in_records(bench.store.folder)
    models.delete(BOSS, second.id)
    assert not folder.exists()
    with pytest.raises(NotFoundError):
        models.get(ULI, second.id)


def test_the_folder_is_made_again_when_it_is_gone_or_cut_off(house: House, tmp_path: Path) -> None:
    """It comes from the stored files, so a damaged copy heals."""
    models, model = house.bench.models, bring(house, tmp_path / "a")
    folder = models.folder(ULI, model.id)
    (folder / "model.bin").write_bytes(b"")
    again = models.folder(ULI, model.id)
    assert again == folder
    cards.load(again)
    picture = dark_squares()
    assert (open_segmenter(again).predict(picture).mask == true_mask(picture)).all()


def test_the_model_of_the_program_is_there_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Used while nothing else is promoted; never changed; rolled back to from one's own first."""
    shipped = tmp_path / "shipped"
    write_threshold_model(shipped, name="Nuclei of the program")
    monkeypatch.setattr("engine.catalogue.models.shipping_with_us.shipped", lambda *_: shipped)
    from engine.catalogue.models import shipping_with_us

    shipping_with_us._record.cache_clear()
    house = House.at(tmp_path / "home", count=0)
    models = house.bench.models
    active = models.active()
    assert active is not None
    assert (active.id, active.stage, active.name) == (
        "shipped-nuclei", "active", "Nuclei of the program",
    )  # fmt: skip
    assert models.folder(ULI, "shipped-nuclei") == shipped
    with pytest.raises(RequestError, match="comes with Lightbox"):
        models.delete(BOSS, "shipped-nuclei")
    own = bring(house, tmp_path / "own")
    assert _id(models.active()) == own.id
    assert {one.id: one.stage for one in models.list(ULI)} == {
        own.id: "active", "shipped-nuclei": "candidate",
    }  # fmt: skip
    assert models.roll_back(BOSS, "segmentation", reason="Too few pictures.").id == "shipped-nuclei"
    assert models.get(ULI, own.id).stage == "candidate"
    shipping_with_us._record.cache_clear()


# --- taken along and brought in ------------------------------------------------------------------


def zipped(folder: Path, path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A model folder as a ZIP, after a change to its files."""
    files = {one.name: one.read_bytes() for one in folder.iterdir()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def card_of(files: dict[str, bytes], **fields: object) -> None:
    """Change fields of the card."""
    files["card.json"] = json.dumps({**json.loads(files["card.json"]), **fields}).encode()


def _pickled(files: dict[str, bytes]) -> None:
    files["weights.pt"] = pickle.dumps({"weights": [1.0]})


def _outside(files: dict[str, bytes]) -> None:
    files["../../evil.bin"] = b"x"


def _absolute(files: dict[str, bytes]) -> None:
    files["/etc/evil.bin"] = b"x"


def _altered(files: dict[str, bytes]) -> None:
    files["model.bin"] = bytes(len(files["model.bin"]))


def _without_card(files: dict[str, bytes]) -> None:
    del files["card.json"]


def _lying(files: dict[str, bytes]) -> None:
    card_of(files, classes=["background", "nucleus", "vessel"])


def _no_json(files: dict[str, bytes]) -> None:
    files["card.json"] = b"\x80\x04"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_pickled, "Pickles are refused"),
        (_outside, "outside"),
        (_absolute, "outside"),
        (_altered, "model.bin"),
        (_without_card, "card.json"),
        (_lying, "3 classes"),
        (_no_json, "card.json"),
    ],
)
def test_what_is_no_safe_and_truthful_model_is_refused(
    house: House, tmp_path: Path, change: Callable[[dict[str, bytes]], None], word: str
) -> None:
    """A sentence says why; nothing of it is kept."""
    write_threshold_model(tmp_path / "model")
    path = zipped(tmp_path / "model", tmp_path / "m.zip", change)
    with pytest.raises(ModelError, match=word):
        house.bench.models.add(BOSS, path)
    assert house.bench.models.list(ULI) == ()
    assert not list(house.bench.files.list())
    assert not (tmp_path / "evil.bin").exists()


def test_what_is_no_zip_is_refused(house: House, tmp_path: Path) -> None:
    """An empty file, half a ZIP, a picture."""
    write_threshold_model(tmp_path / "model")
    whole = zipped(tmp_path / "model", tmp_path / "m.zip", dict.keys).read_bytes()
    for data in (b"", whole[: len(whole) // 2], b"\x89PNG\r\n\x1a\n" + b"0" * 99):
        path = tmp_path / "bad.zip"
        path.write_bytes(data)
        with pytest.raises(ModelError, match="Expected a ZIP"):
            house.bench.models.add(BOSS, path)


def test_a_link_in_a_zip_is_refused(house: House, tmp_path: Path) -> None:
    """It would point at a file of this machine."""
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("model.bin")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(ModelError, match="link"):
        house.bench.models.add(BOSS, path)


def test_a_bomb_is_not_unpacked(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 MB of noughts in 60 kB, too many files, too many bytes."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.bin", bytes(60_000_000))
    with pytest.raises(TooLargeError, match="bomb"):
        house.bench.models.add(BOSS, path)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(61):
            archive.writestr(f"{number}.json", "{}")
    with pytest.raises(TooLargeError, match="at most 60 files"):
        house.bench.models.add(BOSS, path)
    monkeypatch.setattr(bundles, "_MOST_BYTES", 1000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.bin", bytes(1001))
    with pytest.raises(TooLargeError):
        house.bench.models.add(BOSS, path)


def test_a_bundle_inside_one_folder_and_with_extras_is_read(house: House, tmp_path: Path) -> None:
    """As file managers pack it: one folder in the ZIP, hidden files, a README."""
    write_threshold_model(tmp_path / "model")
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for one in (tmp_path / "model").iterdir():
            archive.writestr(f"my model/{one.name}", one.read_bytes())
        archive.writestr("my model/README.md", "hello")
        archive.writestr("__MACOSX/my model/._card.json", "x")
        archive.writestr("my model/.DS_Store", "x")
    made = house.bench.models.add(BOSS, path, name="Mine")
    assert (made.name, made.version) == ("Mine", 1)
    names = {file.name for file in made.files}
    assert names == {"card.json", "model.xml", "model.bin"}


def test_a_form_that_a_model_cannot_have_is_told(house: House, tmp_path: Path) -> None:
    """No weights for torch, no such form."""
    models, model = house.bench.models, bring(house, tmp_path / "a")
    for form, word in (("onnx", "no weights"), ("safetensors", "no weights"), ("pickle", "one of")):
        with (
            pytest.raises(RequestError, match=word),
            models.bundle(ULI, model.id, form),  # type: ignore[arg-type]
        ):
            pass
    with models.bundle(ULI, model.id, "openvino") as path:
        assert sorted(zipfile.ZipFile(io.BytesIO(path.read_bytes())).namelist()) == [
            "README.md", "card.json", "model.bin", "model.xml",
        ]  # fmt: skip
    assert not path.exists()


def test_an_old_home_reads_models_without_a_story(house: House, tmp_path: Path) -> None:
    """A record from before promotions were told in it is promoted like any other."""
    model = bring(house, tmp_path / "a")
    bare = replace(bring(house, tmp_path / "b"), card={"name": "x"})
    with house.bench.store.models.transaction() as models:
        models.put(bare)
    made = house.bench.models.promote(BOSS, bare.id, reason="Try it.")
    assert made.stage == "active"
    assert house.bench.models.get(ULI, model.id).stage == "candidate"

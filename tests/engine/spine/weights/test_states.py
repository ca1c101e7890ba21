"""Where models lie, and what counts as one."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from engine.errors import ModelError, RequestError
from engine.settings import Settings
from engine.spine import weights
from engine.spine.weights.catalogue import MODELS, WeightsModel, model_named
from engine.spine.weights.checksums import published
from engine.spine.weights.folders import CHECKPOINT
from tests.engine.spine.weights.releases import model_files, zip_of

FAST = model_named("total_fast")
GITHUB = "https://github.com/wasserth/TotalSegmentator/releases/download"


def write_model(settings: Settings, model: WeightsModel = FAST) -> Path:
    """Write a model as somebody else would have installed it."""
    folder = weights.weights_folder(settings)
    for name, contents in model_files(model, size=2000).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)
    return folder / model.folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LIGHTBOX_HOME": "/h"}, "/h/models/totalsegmentator/nnunet/results"),
        ({"LIGHTBOX_HOME": "/h", "TOTALSEG_HOME_DIR": "/t"}, "/t/nnunet/results"),
        ({"TOTALSEG_HOME_DIR": "/t", "TOTALSEG_WEIGHTS_PATH": "/w"}, "/w"),
        ({"TOTALSEG_WEIGHTS_PATH": "/w", "LIGHTBOX_TOTALSEG_WEIGHTS": "/ours"}, "/ours"),
    ],
)
def test_the_weights_lie_where_the_environment_says(
    environment: dict[str, str], expected: str
) -> None:
    """TotalSegmentator's own variables count, as in TotalSegmentator; ours come first."""
    assert weights.weights_folder(Settings.from_env(environment)) == Path(expected)


def test_an_address_that_is_none_is_refused() -> None:
    """The sentence names the variable."""
    from engine.errors import SettingsError

    with pytest.raises(SettingsError, match="LIGHTBOX_WEIGHTS_URL must be an address"):
        Settings.from_env({"LIGHTBOX_WEIGHTS_URL": "ftp://mirror"})


def test_nothing_is_installed_at_first(settings: Settings) -> None:
    """Every model is listed, none counts as there, and asking makes no folder."""
    states = weights.models(settings)
    assert [state.status for state in states] == ["not installed"] * len(MODELS)
    assert {state.size_mb for state in states} == {0.0}
    assert list(settings.home.iterdir()) == []


def test_a_model_that_somebody_else_installed_counts(settings: Settings) -> None:
    """Without a manifest, whole files are enough; there is nothing to compare every byte with."""
    folder = write_model(settings)
    assert weights.models(settings)[0].status == "installed"
    assert weights.model_path(settings, "vertebrae") == folder / FAST.inner_folder
    assert weights.verify(settings, "total_fast").checked == 0
    assert weights.verify(settings, "total_fast").is_whole


@pytest.mark.parametrize(
    ("name", "contents", "fault"),
    [
        ("dataset.json", None, "dataset.json is missing"),
        ("plans.json", b"{", "plans.json is damaged"),
        (CHECKPOINT, None, "checkpoint_final.pth is missing"),
        (CHECKPOINT, b"", "is empty, cut off or damaged"),
        (CHECKPOINT, zip_of({"archive/data.pkl": bytes(5000)})[:-10], "is empty, cut off"),
    ],
)
def test_a_torn_model_is_incomplete(
    settings: Settings, name: str, contents: bytes | None, fault: str
) -> None:
    """A missing, empty or cut-off file is found without reading the rest."""
    path = write_model(settings) / FAST.inner_folder / name
    path.unlink() if contents is None else path.write_bytes(contents)
    state = weights.models(settings)[0]
    assert state.status == "incomplete"
    assert fault in "; ".join(state.faults)
    with pytest.raises(ModelError, match="is incomplete"):
        weights.model_path(settings, "total_fast")


def test_an_older_checkpoint_is_accepted(settings: Settings) -> None:
    """Torch before 1.6 wrote a plain pickle: no archive, but no fault either."""
    (write_model(settings) / FAST.inner_folder / CHECKPOINT).write_bytes(b"\x80\x02" + bytes(100))
    assert weights.models(settings)[0].status == "installed"


def test_a_file_that_changed_its_size_is_noticed_at_once(settings: Settings) -> None:
    """With a manifest, each status compares sizes."""
    folder = write_model(settings)
    name = f"{FAST.inner_folder}/plans.json"
    size = (folder / name).stat().st_size
    manifest = {"files": {name: {"bytes": size + 1, "sha256": "0" * 64}}}
    (folder / "lightbox.json").write_text(json.dumps(manifest))
    assert weights.models(settings)[0].faults == (f"{name} is not as it was installed",)


def test_a_file_that_changed_one_byte_is_found_by_verify(settings: Settings) -> None:
    """Reading every byte finds what sizes do not show."""
    folder = write_model(settings)
    name = f"{FAST.inner_folder}/plans.json"
    entry = {"bytes": (folder / name).stat().st_size, "sha256": "0" * 64}
    (folder / "lightbox.json").write_text(json.dumps({"files": {name: entry}}))
    assert weights.models(settings)[0].status == "installed"
    assert weights.verify(settings, "total_fast").faults == (f"the contents of {name} changed",)


def test_each_backend_says_what_it_lacks(settings: Settings) -> None:
    """TotalSegmentator itself needs the rough model for ``total``, our own prediction does not."""
    write_model(settings, model_named("total"))
    assert weights.missing_models(settings, "embedded", "total") is None
    assert weights.missing_models(settings, "nnunet", "total") is None
    lack = weights.missing_models(settings, "totalsegmentator", "total")
    assert lack is not None
    assert "POST /api/models/download/total_rough" in lack


def test_an_unknown_model_is_refused(settings: Settings) -> None:
    """The sentence lists the names."""
    with pytest.raises(RequestError, match="total_fast, total, total_rough, vertebrae_pp"):
        weights.model_path(settings, "../../etc")


def test_folders_are_those_of_totalsegmentator() -> None:
    """Folder, release and trainer equal what the installed TotalSegmentator would look for."""
    tasks = pytest.importorskip("totalsegmentator.map_tasks_config")
    for model in MODELS:
        entry = tasks.TASK_ID_WEIGHTS_CONFIGS[model.number]
        assert entry["foldername"] == model.folder
        assert entry["version"] == model.release
    fast = tasks.TASK_CONFIGS["total"]["sub_modes"]["fast"]
    assert (fast["task_id"], fast["trainer"]) == (FAST.number, FAST.trainer)
    bodies = tasks.TASK_CONFIGS["vertebrae_pp"]
    assert bodies["trainer"] == model_named("vertebrae_pp").trainer


# --- checksums -----------------------------------------------------------------------------------


def answering(status: int, body: object) -> httpx.Client:
    """Return a client whose every request is answered alike; the address must be GitHub's."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.github.com"
        assert request.url.path == "/repos/wasserth/TotalSegmentator/releases/tags/v2.0.0-weights"
        return httpx.Response(status, json=body)

    return httpx.Client(transport=httpx.MockTransport(answer))


def asset(digest: str | None) -> dict[str, object]:
    name = f"{FAST.folder}.zip"
    return {"assets": [{"name": "other.zip", "digest": "x"}, {"name": name, "digest": digest}]}


def test_the_checksum_of_a_release_is_read() -> None:
    """GitHub lists each file of a release with its digest."""
    with answering(200, asset("sha256:" + "AB" * 32)) as client:
        said = published(FAST, GITHUB, client)
    assert said.sha256 == "ab" * 32
    assert said.where == "the checksum of the release"


@pytest.mark.parametrize(
    ("status", "body", "where"),
    [
        (200, asset(None), "no checksum published"),
        (200, asset("md5:00"), "no checksum published"),
        (200, {"assets": []}, "no checksum published"),
        (200, {"message": "?"}, "could not be read"),
        (200, [1], "could not be read"),
        (403, {"message": "rate limit"}, "could not be reached"),
    ],
)
def test_where_there_is_no_checksum_that_is_said(status: int, body: object, where: str) -> None:
    """An older file, an odd answer or a rate limit is no checksum, and no failure."""
    with answering(status, body) as client:
        said = published(FAST, GITHUB, client)
    assert said.sha256 is None
    assert where in said.where

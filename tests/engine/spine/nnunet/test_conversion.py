"""From a checkpoint to OpenVINO: the same numbers, nothing unsafe, nothing half."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.errors import MissingBackendError, ModelError
from engine.spine.nnunet import conversion, openvino_tiles
from engine.spine.nnunet.architecture import build_graph
from engine.spine.nnunet.checkpoints import read_tensors
from engine.spine.nnunet.conversion import converted_model, is_converted
from engine.spine.nnunet.openvino_tiles import OpenVinoTiles
from engine.spine.nnunet.plans import CHECKPOINT, read_plans
from tests.engine.spine import tiny_weights

ROOT = Path(__file__).parents[4]

UNEVEN = tiny_weights.NetworkSize(features=(4, 6, 8), convolutions=2, patch=16)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network of three stages, in a checkpoint with everything that training leaves."""
    pytest.importorskip("nnunetv2")
    home = tmp_path_factory.mktemp("weights")
    tiny_weights.write_weights(home, [803], size=UNEVEN, with_training_log=True)
    return tiny_weights.model_folder(home, 803)


@pytest.fixture(scope="module")
def cache(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of converted models, with this model in it."""
    folder = tmp_path_factory.mktemp("converted")
    converted_model(model, folder)
    return folder


@pytest.fixture
def own_cache(cache: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    shutil.copytree(cache, tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def own_model(model: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    copy = tmp_path / "Dataset803_copy" / "inner"
    shutil.copytree(model, copy)
    return copy


def test_features_and_scores_equal_those_of_torch(model: Path, cache: Path) -> None:
    """In f32 the graph and the last layer give torch's scores to the rounding of its weights."""
    torch = pytest.importorskip("torch")
    plans = json.loads((model / "plans.json").read_text())
    network = tiny_weights._random_network(803, UNEVEN, 0)
    network.decoder.deep_supervision = False
    network.load_state_dict(torch.load(model / CHECKPOINT, weights_only=False)["network_weights"])
    network.eval()
    assert plans["configurations"]["3d_fullres"]["patch_size"] == [16, 16, 16]
    tile = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(tile)[None, None])[0].numpy()
    ours = OpenVinoTiles(converted_model(model, cache), precision="f32", threads=1)
    found = np.tensordot(ours.last_layer.weights, ours.features(tile), 1)
    found += ours.last_layer.bias[:, None, None, None]
    assert np.abs(expected - found).max() < 0.02 * expected.std()
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.99999


def test_bf16_changes_scores_by_little(model: Path, cache: Path) -> None:
    """Where the processor has bf16, its features stay within a few hundredths of f32."""
    if not openvino_tiles.has_bf16():
        pytest.skip("this processor has no bf16 instructions")
    converted = converted_model(model, cache)
    tile = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    exact, short = (
        OpenVinoTiles(converted, precision=kind, threads=1).features(tile).copy()
        for kind in ("f32", "bf16")
    )
    assert np.sqrt(((exact - short) ** 2).mean()) < 0.05 * exact.std()
    assert not np.array_equal(exact, short)


def test_bf16_by_name_needs_a_processor_that_has_it(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for by name and not there, it is an error; ``auto`` takes f32."""
    monkeypatch.setattr(openvino_tiles, "has_bf16", lambda: False)
    converted = converted_model(model, cache)
    assert OpenVinoTiles(converted, precision="auto", threads=1).precision == "f32"
    with pytest.raises(MissingBackendError, match="no bf16 instructions"):
        OpenVinoTiles(converted, precision="bf16", threads=1)


def test_a_model_is_converted_once(model: Path, cache: Path) -> None:
    """The second time nothing is written, and no process is started."""
    (folder,) = cache.iterdir()
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert folder.name.startswith("803-")
    assert is_converted(model, cache)
    second = converted_model(model, cache, on_wait=lambda: pytest.fail("waited"))
    assert second.folder == folder
    assert written == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_other_weights_are_converted_anew(own_model: Path, cache: Path) -> None:
    """A checkpoint that was replaced is not answered from the old conversion."""
    assert is_converted(own_model, cache)
    os.utime(own_model / CHECKPOINT, ns=(1, 1))
    assert not is_converted(own_model, cache)


def test_other_names_are_converted_anew(own_model: Path, cache: Path) -> None:
    """Neither is a label table that was changed."""
    dataset = own_model / "dataset.json"
    dataset.write_text(dataset.read_text().replace("vertebrae_L5", "vertebrae_L6"))
    assert not is_converted(own_model, cache)


def test_a_damaged_conversion_is_made_again(model: Path, own_cache: Path) -> None:
    """A file cut short is noticed by its size and replaced."""
    (weights,) = own_cache.rglob("network.bin")
    weights.write_bytes(weights.read_bytes()[:100])
    assert not is_converted(model, own_cache)
    converted_model(model, own_cache)
    assert is_converted(model, own_cache)


def test_a_conversion_of_the_right_size_but_wrong_content_is_told(
    model: Path, own_cache: Path
) -> None:
    """A graph that OpenVINO cannot read ends in a sentence with what to do."""
    converted = converted_model(model, own_cache)
    converted.graph.write_bytes(b"<" * converted.graph.stat().st_size)
    with pytest.raises(ModelError, match="remove the folder"):
        OpenVinoTiles(converted, precision="f32", threads=1)
    last = converted.folder / "last_layer.npz"
    last.write_bytes(b"P" * last.stat().st_size)
    with pytest.raises(ModelError, match="its files are damaged"):
        converted_model(model, own_cache)


def test_bf16_is_told_by_the_systems_list_of_instructions(tmp_path: Path) -> None:
    """A forecast reads it there; where there is no list, it counts with f32."""
    flags = tmp_path / "cpuinfo"
    assert not openvino_tiles.names_bf16(flags)
    flags.write_text("flags : fpu sse avx2 avx512f")
    assert not openvino_tiles.names_bf16(flags)
    flags.write_text("flags : fpu sse avx2 avx512f avx512_bf16")
    assert openvino_tiles.names_bf16(flags)


class Evil:
    """What a hostile pickle does: name a function to be called while it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/lightbox-was-here",)


def test_a_pickle_that_runs_code_is_refused(own_model: Path, tmp_path: Path) -> None:
    """The function that it names is not called, and the sentence names it."""
    torch = pytest.importorskip("torch")
    content = torch.load(own_model / CHECKPOINT, weights_only=False)
    torch.save(content | {"logging": Evil()}, own_model / CHECKPOINT)
    with pytest.raises(ModelError, match=r"asks for .*system.* refused"):
        converted_model(own_model, tmp_path / "cache")
    assert not Path("/tmp/lightbox-was-here").exists()
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 torn", b"\x80\x04N.", b"not a pickle at all"],
    ids=["empty", "torn archive", "plain pickle", "text"],
)
def test_a_damaged_checkpoint_is_told(tmp_path: Path, content: bytes) -> None:
    """Whatever is wrong with the file, the answer is a sentence that says what to do."""
    pytest.importorskip("torch")
    path = tmp_path / "checkpoint_final.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="download the model again"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1], "'network_weights'"),
        ({"network_weights": {}}, "'network_weights'"),
        ({"network_weights": {"a.weight": "words"}}, "real numbers, but it is str"),
    ],
)
def test_a_checkpoint_of_something_else_is_told(
    tmp_path: Path, content: object, complaint: str
) -> None:
    """A file of torch without a network's weights ends in a sentence."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "checkpoint_final.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match=complaint):
        read_tensors(path)


def test_a_missing_checkpoint_is_told(own_model: Path, tmp_path: Path) -> None:
    """Without weights nothing is started, and the sentence names the file."""
    (own_model / CHECKPOINT).unlink()
    with pytest.raises(ModelError, match=r"checkpoint_final\.pth cannot be read"):
        converted_model(own_model, tmp_path / "cache")
    with pytest.raises(ModelError, match="the weights at"):
        read_tensors(own_model / CHECKPOINT)


def test_plans_of_another_network_are_refused(model: Path) -> None:
    """Each tensor has to be there, in its shape, finite, and none may be left over."""
    pytest.importorskip("torch")
    plans, tensors = read_plans(model), read_tensors(model / CHECKPOINT)
    name = "decoder.stages.0.convs.0.conv.weight"
    with pytest.raises(ModelError, match=r"'decoder\.stages\.0\.convs\.0\.conv\.weight'.*none"):
        build_graph(plans, {n: t for n, t in tensors.items() if n != name})
    with pytest.raises(ModelError, match=r"of shape .*but got one of \(2,\)"):
        build_graph(plans, {**tensors, name: np.zeros(2, np.float32)})
    with pytest.raises(ModelError, match=r"left over, such as 'attention\.weight'"):
        build_graph(plans, {**tensors, "attention.weight": np.zeros(2, np.float32)})
    with pytest.raises(ModelError, match="finite numbers"):
        build_graph(plans, {**tensors, name: np.full_like(tensors[name], np.nan)})


def test_raising_during_the_conversion_ends_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while it waits: the process is gone and no file is left."""
    monkeypatch.setattr(conversion, "_POLL_S", 0.01)

    def cancel() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        converted_model(model, tmp_path, on_wait=cancel)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_conversion_left_is_swept_away(tmp_path: Path) -> None:
    """Folders of processes that no longer run go at the next conversion; others stay."""
    dead, alive = tmp_path / ".803-a.999999999.part", tmp_path / f".803-b.{os.getppid()}.part"
    dead.mkdir()
    alive.mkdir()
    conversion._sweep(tmp_path)
    assert not dead.exists()
    assert alive.exists()


def test_a_conversion_ends_with_whoever_asked_for_it(model: Path, tmp_path: Path) -> None:
    """The converting process watches its input and ends when that does."""
    code = (
        "import subprocess, sys\nfrom pathlib import Path\n"
        "from engine.spine.nnunet import conversion\n"
        "def die(process, on_wait):\n"
        "    print(process.pid, flush=True); import os; os._exit(0)\n"
        "conversion._wait = die\n"
        "conversion.converted_model(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(model), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(answer.stdout)).wait(20)
    assert not psutil.pid_exists(int(answer.stdout))


def test_after_the_conversion_neither_torch_nor_nnunet_is_needed(model: Path, cache: Path) -> None:
    """A process that predicts with a converted model never loads them."""
    code = (
        "import sys, numpy\nfrom pathlib import Path\n"
        "from engine.spine.nnunet.conversion import converted_model\n"
        "from engine.spine.nnunet.openvino_tiles import OpenVinoTiles\n"
        "from engine.spine.nnunet.prediction import predict\n"
        "import engine.spine.nnunet.segmenter\n"
        "model = converted_model(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "tiles = OpenVinoTiles(model, precision='auto', threads=1)\n"
        "predict(tiles, numpy.zeros((16, 16, 20), numpy.float32), step=0.5)\n"
        "print([n for n in ('torch', 'nnunetv2', 'totalsegmentator') if n in sys.modules])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(model), str(cache)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"

"""One contract for every runtime; the choice of backend, precision and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import InputError, MissingBackendError, ModelError
from engine.inference import cards, openvino_runtime, runtimes
from engine.inference.cards import InputSpec, ModelCard, VolumeSpec
from engine.inference.openvino_runtime import PrecisionTrial
from tests.engine.inference.conftest import TinyNet, pooling_onnx

Architectures = dict[str, Callable[[], object]]


@pytest.fixture(params=["openvino", "torch"])
def runtime(request: pytest.FixtureRequest, architectures: Architectures) -> runtimes.Runtime:
    """Return the same network opened by each backend, at f32."""
    name = {"openvino": "openvino_folder", "torch": "safetensors_folder"}[request.param]
    return runtimes.open_runtime(
        request.getfixturevalue(name),
        device="cpu",
        precision="f32",
        threads=1,
        architectures=architectures,
    )


def wanted(net: TinyNet, batch: np.ndarray) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {name: value.numpy() for name, value in net(torch.tensor(batch)).items()}


class TestContract:
    """What every runtime does."""

    def test_answers_equal_the_network(
        self, runtime: runtimes.Runtime, tiny_net: TinyNet, batch: np.ndarray
    ) -> None:
        """Each output role holds what the torch network computes."""
        answer = runtime.run(batch)
        expected = wanted(tiny_net, batch)
        assert set(answer) == {"logits", "features"}
        for role, value in expected.items():
            assert answer[role].dtype == np.float32
            np.testing.assert_allclose(answer[role], value, atol=1e-4)

    def test_each_picture_is_answered_by_itself(
        self, runtime: runtimes.Runtime, batch: np.ndarray
    ) -> None:
        """Any batch size works, and neighbours in a batch do not matter."""
        together = runtime.run(batch)["logits"]
        for size in (1, 2, 3):
            np.testing.assert_allclose(
                runtime.run(batch[:size])["logits"], together[:size], atol=1e-5
            )

    def test_answers_belong_to_the_caller(
        self, runtime: runtimes.Runtime, batch: np.ndarray
    ) -> None:
        """A later call does not change an earlier answer, and answers may be written to."""
        first = runtime.run(batch)["features"]
        kept = first.copy()
        runtime.run(-batch)
        np.testing.assert_array_equal(first, kept)
        first += 1

    def test_the_batch_is_left_alone(self, runtime: runtimes.Runtime, batch: np.ndarray) -> None:
        """Read-only and non-contiguous batches are fine, and none is changed."""
        batch.setflags(write=False)
        kept = batch.copy()
        reversed_batch = batch[::-1]
        np.testing.assert_allclose(
            runtime.run(reversed_batch)["logits"], runtime.run(batch)["logits"][::-1], atol=1e-5
        )
        np.testing.assert_array_equal(batch, kept)

    def test_concurrent_callers_get_their_own_answers(
        self, runtime: runtimes.Runtime, tiny_net: TinyNet
    ) -> None:
        """Eight threads with different pictures and batch sizes never get each other's answer."""
        random = np.random.default_rng(0)
        batches = [random.normal(size=(1 + i % 3, 3, 24, 32)).astype(np.float32) for i in range(40)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(runtime.run, batches))
        for given, answer in zip(batches, answers, strict=True):
            np.testing.assert_allclose(
                answer["logits"], wanted(tiny_net, given)["logits"], atol=1e-4
            )

    @pytest.mark.parametrize("shape", [(0, 3, 24, 32), (1, 3, 32, 24), (3, 24, 32), (1, 1, 24, 32)])
    def test_other_shapes_are_refused(
        self, runtime: runtimes.Runtime, shape: tuple[int, ...]
    ) -> None:
        """The error names the shape that the card asks for."""
        with pytest.raises(InputError, match=r"takes a batch of shape \(N, 3, 24, 32\) float32"):
            runtime.run(np.zeros(shape, np.float32))

    def test_other_types_are_refused(self, runtime: runtimes.Runtime) -> None:
        """Pictures that were not normalised are refused rather than misread."""
        with pytest.raises(InputError, match="uint8"):
            runtime.run(np.zeros((1, 3, 24, 32), np.uint8))
        with pytest.raises(InputError, match="got list"):
            runtime.run([[1.0]])

    def test_it_says_what_it_is(self, runtime: runtimes.Runtime) -> None:
        """Backend, device and precision are known."""
        assert runtime.name in {"openvino", "torch"}
        assert (runtime.device, runtime.precision) == ("cpu", "f32")


def test_open_model_gives_card_and_runtime(openvino_folder: Path, batch: np.ndarray) -> None:
    """One call checks the folder and opens it."""
    card, runtime = runtimes.open_model(openvino_folder)
    assert card.name == "shapes"
    assert runtime.run(batch)["logits"].shape == (5, 3)


def test_infer_requests_do_not_grow(openvino_folder: Path, batch: np.ndarray) -> None:
    """There are never more requests than there were callers at once."""
    _, runtime = runtimes.open_model(openvino_folder, precision="f32")
    for _ in range(20):
        worker = threading.Thread(target=runtime.run, args=(batch,))
        worker.start()
        worker.join()
    assert len(runtime._runtime._requests) == 1


def test_onnx_is_opened_by_openvino(onnx_folder: Path, batch: np.ndarray) -> None:
    """The mean of each channel comes out of a hand-written ONNX file."""
    _, runtime = runtimes.open_model(onnx_folder, precision="f32")
    assert runtime.name == "openvino"
    np.testing.assert_allclose(runtime.run(batch)["logits"], batch.mean(axis=(2, 3)), atol=1e-5)


def test_onnx_with_weights_elsewhere_is_refused(onnx_folder: Path, card: ModelCard) -> None:
    """An ONNX file may not point at other files."""
    external = b"\x6a\x1a\x0a\x08location\x12\x0e../weights.bin"  # TensorProto.external_data
    (onnx_folder / "model.onnx").write_bytes(pooling_onnx() + external)
    cards.write(onnx_folder, replace(card, format="onnx", outputs={"logits": "logits"}))
    with pytest.raises(ModelError, match="keeps weights in other files"):
        runtimes.open_model(onnx_folder)


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_damaged_network_is_refused(openvino_folder: Path, card: ModelCard, name: str) -> None:
    """Files that match their card but are no network give a sentence, not a crash."""
    path = openvino_folder / name
    path.write_bytes(path.read_bytes()[:200])
    cards.write(openvino_folder, card)
    with pytest.raises(ModelError, match=r"cannot read it|cannot compile it"):
        runtimes.open_model(openvino_folder, precision="f32")


def test_an_output_that_the_network_lacks_is_named(openvino_folder: Path, card: ModelCard) -> None:
    """The card's outputs must exist."""
    cards.write(openvino_folder, replace(card, outputs={"logits": "scores"}))
    with pytest.raises(ModelError, match=r"names the outputs \['scores'\], but the network has"):
        runtimes.open_model(openvino_folder)


def test_a_size_that_the_network_cannot_take_is_named(
    openvino_folder: Path, card: ModelCard
) -> None:
    """A grey card on a colour network is refused when it is opened, not when it is asked."""
    grey = InputSpec(height=24, width=32, channels="grey", mean=(0.0,), std=(1.0,))
    cards.write(openvino_folder, replace(card, input=grey))
    with pytest.raises(ModelError, match="cannot take the card's input"):
        runtimes.open_model(openvino_folder)


def test_an_unknown_architecture_is_named(safetensors_folder: Path) -> None:
    """Safetensors hold no architecture, so the caller must know it."""
    with pytest.raises(ModelError, match=r"architecture 'tiny', but known here are \[\]"):
        runtimes.open_model(safetensors_folder)


def test_weights_of_another_architecture_are_refused(safetensors_folder: Path) -> None:
    """Weights must fit the network exactly."""
    with pytest.raises(ModelError, match="do not fit the architecture 'tiny'"):
        runtimes.open_model(
            safetensors_folder, architectures={"tiny": lambda: torch.nn.Linear(2, 2)}
        )


def test_damaged_safetensors_are_refused(
    safetensors_folder: Path, architectures: Architectures, card: ModelCard
) -> None:
    """A cut file gives a sentence."""
    path = safetensors_folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    cards.write(safetensors_folder, replace(card, format="safetensors"))
    with pytest.raises(ModelError, match="do not fit the architecture"):
        runtimes.open_model(safetensors_folder, architectures=architectures)


def test_a_builder_must_build_a_module(safetensors_folder: Path) -> None:
    """A wrong registry entry is explained."""
    with pytest.raises(ModelError, match=r"should build a torch.nn.Module, but it built int"):
        runtimes.open_model(safetensors_folder, architectures={"tiny": int})


def test_cuda_for_openvino_files_is_refused(openvino_folder: Path) -> None:
    """OpenVINO and ONNX folders run on the CPU."""
    with pytest.raises(MissingBackendError, match="runs on the CPU, but device 'cuda'"):
        runtimes.open_model(openvino_folder, device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_refused(
    safetensors_folder: Path, architectures: Architectures
) -> None:
    """Asking for CUDA without CUDA is explained; "auto" uses the CPU."""
    with pytest.raises(MissingBackendError, match="torch finds no CUDA device"):
        runtimes.open_model(safetensors_folder, device="cuda", architectures=architectures)
    _, runtime = runtimes.open_model(safetensors_folder, architectures=architectures)
    assert runtime.device == "cpu"


def test_torch_bf16_decides_alike(
    safetensors_folder: Path, architectures: Architectures, batch: np.ndarray
) -> None:
    """bf16 in torch gives float32 answers close to f32's."""
    _, exact = runtimes.open_model(safetensors_folder, architectures=architectures)
    _, short = runtimes.open_model(
        safetensors_folder, architectures=architectures, precision="bf16"
    )
    assert short.precision == "bf16"
    np.testing.assert_allclose(short.run(batch)["logits"], exact.run(batch)["logits"], atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "tpu"}, "device should be one of auto, cpu, cuda, but it is 'tpu'"),
        ({"precision": "f16"}, "precision should be one of auto, f32, bf16, but it is 'f16'"),
        ({"threads": 0}, "threads should be a whole number from 1 to 256, but it is 0"),
        ({"threads": True}, "threads should be a whole number"),
        ({"threads": 2.0}, "threads should be a whole number"),
    ],
)
def test_wrong_arguments_are_explained(
    openvino_folder: Path, arguments: dict[str, object], message: str
) -> None:
    """Each argument has its values."""
    with pytest.raises(InputError, match=message):
        runtimes.open_runtime(openvino_folder, **arguments)


class FixedRuntime:
    """Answers the same logits for every picture."""

    name, device, precision = "fixed", "cpu", "f32"

    def __init__(self, logits: list[float]) -> None:
        self._logits = np.array(logits, dtype=np.float32)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Return the logits once for each picture."""
        return {"logits": np.tile(self._logits, (len(batch), 1))}


@pytest.mark.parametrize(
    ("exact", "short", "agrees"),
    [
        ([2.0, 0.0], [2.0, 0.0], True),
        ([2.0, 0.0], [0.0, 2.0], False),  # another decision
        ([2.0, 0.0], [1.0, 0.0], False),  # p moves from 0.881 to 0.731
        ([0.01, 0.0], [0.0, 0.01], True),  # a tie: both probabilities are 0.5
        ([1.0], [1.02], True),  # a single number: 2 % off
        ([1.0], [1.2], False),
    ],
)
def test_agreement_is_about_decisions(exact: list[float], short: list[float], agrees: bool) -> None:
    """bf16 agrees when decisions are the same and probabilities move by at most 0.03."""
    probes = np.zeros((2, 3, 4, 4), np.float32)
    trial = openvino_runtime.compare_precisions(FixedRuntime(exact), FixedRuntime(short), probes)
    assert trial.agrees is agrees


@pytest.mark.parametrize(
    ("f32_ms", "bf16_ms", "agrees", "choice"),
    [(3.0, 1.0, True, "bf16"), (3.0, 1.0, False, "f32"), (1.0, 1.0, True, "f32")],
)
def test_bf16_must_agree_and_be_faster(
    f32_ms: float, bf16_ms: float, agrees: bool, choice: str
) -> None:
    """Only a faster bf16 that decides alike is chosen."""
    trial = PrecisionTrial(f32_ms=f32_ms, bf16_ms=bf16_ms, probability_shift=0.0, agrees=agrees)
    assert trial.choice == choice


def test_precisions_are_compared_once(
    openvino_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second opening of the same files uses the first one's choice."""
    calls: list[int] = []
    slow_bf16 = PrecisionTrial(f32_ms=1, bf16_ms=2, probability_shift=0.0, agrees=True)

    def compare(*_: object) -> PrecisionTrial:
        calls.append(1)
        return slow_bf16

    openvino_runtime.forget_trials()
    monkeypatch.setattr(openvino_runtime, "compare_precisions", compare)
    chosen = [runtimes.open_model(openvino_folder)[1].precision for _ in range(3)]
    openvino_runtime.forget_trials()
    assert chosen == ["f32"] * 3
    assert len(calls) <= 1  # none on a processor without bf16


def test_probes_are_pictures_in_range() -> None:
    """Made-up probes are repeatable, within 0..1 before normalisation, and differ."""
    spec = InputSpec(height=24, width=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    probes = openvino_runtime.made_up_probes(spec)
    assert probes.shape == (4, 3, 24, 32)
    assert probes.dtype == np.float32
    pictures = probes * 0.25 + 0.5
    assert 0.0 <= pictures.min() < pictures.max() <= 1.0
    np.testing.assert_array_equal(probes, openvino_runtime.made_up_probes(spec))


def test_probes_of_volumes_fit_their_input() -> None:
    """Made-up volumes have sides that the network takes, and lie in −1..1."""
    for multiple, largest in ((16, 512), (24, 48), (96, 96)):
        spec = VolumeSpec(
            grid_mm=4.0, side_multiple=multiple, largest_side=largest, normalised_by="here.there"
        )
        probes = openvino_runtime.made_up_probes(spec)
        assert spec.takes(probes.shape)
        assert -1.0 <= probes.min() < probes.max() <= 1.0

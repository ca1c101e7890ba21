"""The classifier: its rule, the model that ships, and models of other people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import InputError, ModelError
from engine.eyes import classifier
from engine.eyes.classifier import Classified, DecisionRule, EyeClassifier, decide
from engine.eyes.recipe import drawn
from engine.eyes.recipe.augmentation import plain_crop
from engine.eyes.rendered import render_not_an_eye
from engine.inference import cards
from engine.inference.cards import DataSource, InputSpec, ModelCard
from engine.shipped import shipped

CLASSES = ("Cataract", "Conjunctivitis", "Healthy", "Stye")


def answer(
    scores: tuple[float, ...] = (0.02, 0.03, 0.9, 0.05),
    *,
    possible: tuple[str, ...] | None = None,
    evidence: float = 0.99,
) -> Classified:
    """Return an answer with known probabilities; the set holds the best class by default."""
    best = CLASSES[int(np.argmax(scores))]
    named = dict(zip(CLASSES, scores, strict=True))
    return Classified(
        logits=np.log(np.array(scores, np.float32)),
        features=None,
        raw=named,
        calibrated=named,
        prediction_set=(best,) if possible is None else possible,
        eye_evidence=evidence,
    )


@pytest.fixture(scope="module")
def shipped_model() -> EyeClassifier:
    """Return the model in assets/models/eyes."""
    return EyeClassifier.open(shipped("models", "eyes"), precision="f32", threads=1)


class TestDecide:
    """Each step of the rule, one by one."""

    def test_one_probable_class_is_likely(self) -> None:
        """A single class in the set that reaches the probability is likely."""
        ruling = decide(answer())
        assert (ruling.decision, ruling.label) == ("likely", "Healthy")

    def test_no_evidence_of_an_eye_gives_no_class(self) -> None:
        """Below the evidence that any answer needs, no class is named."""
        ruling = decide(answer(evidence=0.2))
        assert (ruling.decision, ruling.label) == ("not_an_eye", None)
        assert "external photograph" in ruling.reasons[0]

    def test_a_disease_needs_more_evidence_than_a_healthy_eye(self) -> None:
        """Between the two limits a healthy eye is answered, a disease is not named."""
        rule = DecisionRule(minimum_evidence=0.4, evidence_for_disease=0.8)
        sick = (0.9, 0.03, 0.02, 0.05)
        assert decide(answer(evidence=0.6), rule).decision == "likely"
        assert decide(answer(sick, evidence=0.6), rule).decision == "not_an_eye"
        assert decide(answer(sick, evidence=0.8), rule).decision == "likely"

    def test_an_experimental_class_is_never_likely(self) -> None:
        """Stye stays uncertain however sure the network is."""
        ruling = decide(answer((0.005, 0.005, 0.01, 0.98)), experimental=("Stye",))
        assert (ruling.decision, ruling.label) == ("uncertain", "Stye")
        assert "experimental" in ruling.reasons[0]

    def test_an_empty_set_is_uncertain(self) -> None:
        """A picture unlike every class is not answered with the least unlikely one."""
        ruling = decide(answer(possible=()))
        assert ruling.decision == "uncertain"
        assert "unlike" in ruling.reasons[0]

    def test_several_possible_classes_are_uncertain(self) -> None:
        """The reason names the classes and the coverage."""
        ruling = decide(answer(possible=("Healthy", "Conjunctivitis")), coverage=0.9)
        assert ruling.decision == "uncertain"
        assert ruling.reasons == ("Healthy and Conjunctivitis stay possible at 90% coverage.",)

    def test_a_single_class_with_a_low_probability_is_uncertain(self) -> None:
        """The probability is compared with the rule's limit."""
        scores = (0.3, 0.2, 0.45, 0.05)
        assert decide(answer(scores)).decision == "uncertain"
        assert decide(answer(scores), DecisionRule(minimum_probability=0.4)).decision == "likely"

    def test_a_disease_may_need_a_higher_probability(self) -> None:
        """Its own limit counts for a disease, not for a healthy eye."""
        rule = DecisionRule(minimum_probability=0.6, probability_for_disease=0.85)
        sick, healthy = (0.8, 0.1, 0.05, 0.05), (0.1, 0.05, 0.8, 0.05)
        assert decide(answer(sick), rule).decision == "uncertain"
        assert decide(answer(healthy), rule).decision == "likely"

    def test_a_measured_cue_may_contradict_the_network(self) -> None:
        """A dark pupil makes a cataract uncertain; a bright or unmeasured one does not."""
        rule = DecisionRule(expected_cues={"Cataract": ("pupil_brightness", 0.2)})
        sick = answer((0.9, 0.05, 0.03, 0.02))
        against = decide(sick, rule, cues={"pupil_brightness": 0.1})
        assert (against.decision, against.label) == ("uncertain", "Cataract")
        assert against.reasons[0].startswith("The measured pupil brightness of 0.10 speaks against")
        assert decide(sick, rule, cues={"pupil_brightness": 0.3}).decision == "likely"
        assert decide(sick, rule, cues={}).decision == "likely"
        assert decide(answer(), rule, cues={"pupil_brightness": 0.1}).decision == "likely"

    def test_cues_that_are_no_pair_are_refused(self) -> None:
        """The message names the class."""
        with pytest.raises(ModelError, match=r"expected_cues .* 'Cataract' has 'dark'"):
            DecisionRule(expected_cues={"Cataract": "dark"})  # type: ignore[dict-item]

    @pytest.mark.parametrize("value", [-0.1, 1.5, "high", True, float("nan")])
    def test_limits_outside_0_to_1_are_refused(self, value: Any) -> None:
        """The message names the limit and where to correct it."""
        with pytest.raises(ModelError, match=r"minimum_evidence should be a number in 0\.\.1"):
            DecisionRule(minimum_evidence=value)


class TestShippedModel:
    """The model that ships, on rendered pictures whose answer is known."""

    def test_names_the_four_classes_and_marks_stye(self, shipped_model: EyeClassifier) -> None:
        """The contract's classes in its order; Stye is experimental."""
        assert shipped_model.classes == CLASSES
        assert shipped_model.experimental == ("Stye",)
        assert shipped_model.coverage == 0.9

    def test_is_small(self) -> None:
        """The whole folder stays below 15 MB."""
        size = sum(path.stat().st_size for path in shipped("models", "eyes").iterdir())
        assert size < 15e6

    def test_tells_rendered_diseases_apart(self, shipped_model: EyeClassifier) -> None:
        """Unseen drawings of three classes in one style: at least 75 % right (chance 33 %)."""
        eyes = [drawn.drawn_sample(9_000_000 + i, label=i % 3) for i in range(60)]
        answers = shipped_model.classify(np.stack([plain_crop(eye) for eye in eyes]))
        right = [a.label == CLASSES[eye.label] for a, eye in zip(answers, eyes, strict=True)]
        assert np.mean(right) >= 0.75

    def test_takes_rendered_eyes_for_eyes(self, shipped_model: EyeClassifier) -> None:
        """At least 90 % of unseen drawings of eyes are answered."""
        eyes = [drawn.drawn_sample(9_100_000 + i, label=i % 3) for i in range(40)]
        answers = shipped_model.classify(np.stack([plain_crop(eye) for eye in eyes]))
        decisions = [shipped_model.decide(a).decision for a in answers]
        assert np.mean([d != "not_an_eye" for d in decisions]) >= 0.9

    def test_a_mirrored_eye_has_the_same_class(self, shipped_model: EyeClassifier) -> None:
        """Left and right eyes are judged alike: at least 90 % equal labels."""
        eyes = np.stack([plain_crop(drawn.drawn_sample(9_200_000 + i)) for i in range(40)])
        plain = shipped_model.classify(eyes)
        mirrored = shipped_model.classify(np.ascontiguousarray(eyes[:, :, ::-1]))
        assert np.mean([a.label == b.label for a, b in zip(plain, mirrored, strict=True)]) >= 0.9

    def test_knows_an_iris_that_fills_the_picture(self, shipped_model: EyeClassifier) -> None:
        """The model alone is sure of most canonical eyes and of no plain wall."""
        eyes = [plain_crop(drawn.drawn_sample(9_300_000 + i, label=i % 3)) for i in range(20)]
        assert np.mean([shipped_model.is_surely_an_eye(eye) for eye in eyes]) >= 0.5
        wall = np.full((128, 144, 3), 180, np.uint8)
        assert shipped_model.is_surely_an_eye(wall) is False

    def test_gives_no_disease_to_pictures_without_an_eye(
        self, shipped_model: EyeClassifier
    ) -> None:
        """Of 100 unseen drawings of other things at most 3 are given a disease."""
        pictures = [render_not_an_eye(np.random.default_rng([31, i])) for i in range(100)]
        sized = np.stack([_whole(picture) for picture in pictures])
        rulings = [shipped_model.decide(a) for a in shipped_model.classify(sized)]
        assert sum(r.label not in (None, "Healthy") for r in rulings) <= 3

    def test_probabilities_sum_to_one_and_agree_with_the_temperature(
        self, shipped_model: EyeClassifier
    ) -> None:
        """The calibrated scores are softmax(logits / T), worked out here by hand."""
        (found,) = shipped_model.classify(plain_crop(drawn.drawn_sample(1))[None])
        scaled = found.logits.astype(np.float64) / shipped_model.card.temperature
        expected = np.exp(scaled - scaled.max())
        expected /= expected.sum()
        np.testing.assert_allclose(list(found.calibrated.values()), expected, atol=1e-9)
        assert sum(found.raw.values()) == pytest.approx(1)

    def test_logits_are_pooled_features_times_head(self, shipped_model: EyeClassifier) -> None:
        """What makes the heat map exact: mean of the features, times weights, plus bias."""
        (found,) = shipped_model.classify(plain_crop(drawn.drawn_sample(2))[None])
        assert found.features is not None
        weights = shipped_model.head_weights
        assert weights is not None
        without_bias = weights @ found.features.mean(axis=(1, 2))
        bias = found.logits - without_bias
        (other,) = shipped_model.classify(plain_crop(drawn.drawn_sample(3))[None])
        assert other.features is not None
        again = other.logits - weights @ other.features.mean(axis=(1, 2))
        np.testing.assert_allclose(bias, again, atol=2e-3)

    def test_heat_maps_have_the_asked_size_and_range(self, shipped_model: EyeClassifier) -> None:
        """One map for each answer, in 0..1."""
        answers = shipped_model.classify(
            np.stack([plain_crop(drawn.drawn_sample(i)) for i in range(2)])
        )
        maps = shipped_model.heat_maps(answers, ["Cataract", "Healthy"], height=128, width=144)
        assert maps is not None
        assert maps.shape == (2, 128, 144)
        assert maps.min() >= 0
        assert maps.max() <= 1

    def test_averages_probabilities_of_frames(self, shipped_model: EyeClassifier) -> None:
        """Two frames count alike."""
        a, b = shipped_model.classify(np.stack([plain_crop(drawn.drawn_sample(i)) for i in (4, 5)]))
        both = shipped_model.average([a, b])
        for name in CLASSES:
            assert both.calibrated[name] == pytest.approx(
                (a.calibrated[name] + b.calibrated[name]) / 2
            )
        with pytest.raises(InputError, match="at least one classified frame"):
            shipped_model.average([])

    def test_refuses_crops_of_another_shape(self, shipped_model: EyeClassifier) -> None:
        """Grey and floating crops get a sentence; no crops give no answers."""
        with pytest.raises(InputError, match=r"\(N, H, W, 3\) and dtype uint8"):
            shipped_model.classify(np.zeros((1, 128, 144), np.uint8))
        with pytest.raises(InputError, match=r"float32"):
            shipped_model.classify(np.zeros((1, 128, 144, 3), np.float32))  # type: ignore[arg-type]
        assert shipped_model.classify(np.zeros((0, 128, 144, 3), np.uint8)) == []
        with pytest.raises(InputError, match="one eye confidence for each of 1 crops"):
            shipped_model.classify(np.zeros((1, 128, 144, 3), np.uint8), eye_confidences=[])

    def test_serving_does_not_load_torch(self) -> None:
        """Opening and using the shipped model leaves torch out of the process."""
        program = (
            "import sys, numpy as np\n"
            "from engine.eyes.classifier import EyeClassifier\n"
            "from engine.shipped import shipped\n"
            "model = EyeClassifier.open(shipped('models', 'eyes'), threads=1)\n"
            "model.classify(np.zeros((2, 128, 144, 3), np.uint8))\n"
            "assert 'torch' not in sys.modules, 'torch was loaded'\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


class TestForeignModels:
    """Folders of other people: other sizes, classes and outputs."""

    def test_another_input_size_and_other_classes(self, tmp_path: Path) -> None:
        """A network that compares red with blue answers by its own class names."""
        model = EyeClassifier.open(foreign_folder(tmp_path), precision="f32", threads=1)
        crops = np.zeros((2, 128, 144, 3), np.uint8)
        crops[0, ..., 0] = 200  # red
        crops[1, ..., 2] = 200  # blue
        answers = model.classify(crops)
        assert [a.label for a in answers] == ["Inflamed", "Healthy"]
        assert model.classes == ("Healthy", "Inflamed")

    def test_without_features_there_is_no_heat_map(self, tmp_path: Path) -> None:
        """Nothing is invented."""
        model = EyeClassifier.open(foreign_folder(tmp_path), precision="f32", threads=1)
        answers = model.classify(np.zeros((1, 128, 144, 3), np.uint8))
        assert model.explains is False
        assert model.heat_maps(answers, ["Healthy"], height=8, width=9) is None

    def test_without_evidence_the_anatomy_decides_what_is_an_eye(self, tmp_path: Path) -> None:
        """The given confidence is the evidence; without any it is 1."""
        model = EyeClassifier.open(foreign_folder(tmp_path), precision="f32", threads=1)
        crops = np.zeros((1, 128, 144, 3), np.uint8)
        (low,) = model.classify(crops, eye_confidences=[0.1])
        (unknown,) = model.classify(crops)
        assert (low.eye_evidence, unknown.eye_evidence) == (0.1, 1.0)
        assert model.decide(low).decision == "not_an_eye"
        assert model.is_surely_an_eye(crops[0]) is False

    def test_without_calibration_the_set_reaches_90_percent(self, tmp_path: Path) -> None:
        """With equal probabilities of two classes both are needed."""
        model = EyeClassifier.open(foreign_folder(tmp_path), precision="f32", threads=1)
        (equal,) = model.classify(np.zeros((1, 128, 144, 3), np.uint8))
        assert set(equal.prediction_set) == {"Healthy", "Inflamed"}

    def test_a_model_without_logits_is_refused(self, tmp_path: Path) -> None:
        """The message says what to map."""
        folder = foreign_folder(tmp_path, outputs={"scores": "logits"})
        with pytest.raises(ModelError, match="needs an output 'logits'"):
            EyeClassifier.open(folder, precision="f32", threads=1)

    def test_wrong_limits_in_the_card_are_refused(self, tmp_path: Path) -> None:
        """Limits are validated when the model is opened, not when a patient is judged."""
        folder = foreign_folder(tmp_path, details={"decision": {"minimum_evidence": 7}})
        with pytest.raises(ModelError, match="minimum_evidence"):
            EyeClassifier.open(folder, precision="f32", threads=1)

    def test_safetensors_of_our_network(self, tmp_path: Path) -> None:
        """Our architecture opens by its name and gives what the network gives."""
        torch = pytest.importorskip("torch")
        from safetensors.torch import save_file

        from engine.eyes.recipe.network import ARCHITECTURE, EyeNetwork

        torch.manual_seed(0)
        network = EyeNetwork(4).eval()
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        card = make_card(
            format="safetensors",
            architecture=ARCHITECTURE,
            classes=CLASSES,
            input=InputSpec(height=128, width=144),
            outputs={name: name for name in ("logits", "features", "evidence")},
        )
        cards.write(tmp_path, card)
        model = EyeClassifier.open(tmp_path, device="cpu", precision="f32", threads=1)
        crop = plain_crop(drawn.drawn_sample(6))
        (found,) = model.classify(crop[None])
        with torch.no_grad():
            image = torch.from_numpy(crop.astype(np.float32) / 255).permute(2, 0, 1)[None]
            expected = network(image)
        np.testing.assert_allclose(found.logits, expected.logits[0].numpy(), atol=1e-4)
        assert found.eye_evidence == pytest.approx(
            float(torch.sigmoid(expected.evidence[0, 0])), abs=1e-4
        )


def make_card(**changes: Any) -> ModelCard:
    """Return a card of a foreign model."""
    fields: dict[str, Any] = {
        "name": "Red against blue",
        "version": "1",
        "task": "test",
        "architecture": "mean colour",
        "format": "openvino",
        "input": InputSpec(height=40, width=32),
        "classes": ("Healthy", "Inflamed"),
        "outputs": {"logits": "logits"},
        "licence": "MIT",
        "source": "made in a test",
        "data": (
            DataSource(name="none", source="none", licence="none stated", images=0, groups=0),
        ),
        "split": "none",
        "created": "2026-11-20",
    }
    return ModelCard(**(fields | changes))


def foreign_folder(folder: Path, **changes: Any) -> Path:
    """Write an OpenVINO model: logits (blue - red, red - blue) of the mean colour, times 10."""
    ov = pytest.importorskip("openvino")
    from openvino import opset13 as ops

    image = ops.parameter([-1, 3, 40, 32], np.float32, name="image")
    means = ops.reduce_mean(image, np.array([2, 3]), keep_dims=False)
    weights = np.array([[-10, 0, 10], [10, 0, -10]], np.float32).T
    logits = ops.matmul(means, ops.constant(weights), False, False)
    network = ov.Model([logits], [image], "colour")
    network.outputs[0].get_tensor().set_names({"logits"})
    ov.save_model(network, str(folder / "model.xml"), compress_to_fp16=False)
    cards.write(folder, make_card(**changes))
    return folder


def _whole(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from engine.eyes import crops, framing

    height, width = picture.shape[:2]
    corners = framing.whole_picture_corners(height=height, width=width)
    return crops.canonical_crop(picture, corners).pixels


def test_public_names() -> None:
    """What the module offers is what it declares."""
    assert set(classifier.__all__) == {
        "HEALTHY",
        "Classified",
        "DecisionRule",
        "EyeClassifier",
        "Ruling",
        "decide",
        "rule_of",
    }

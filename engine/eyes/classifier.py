"""From eye crops to calibrated classes, the sets that stay possible, and a decision.

Any model folder with a card works (:func:`engine.inference.runtimes.open_model`): ours, or a
hospital's own. What a model does not offer is left out, never invented: without ``features`` and
head there is no heat map, without ``evidence`` the anatomy alone says whether this is an eye.

torch is loaded only for a safetensors folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, Self, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError, ModelError
from engine.gradcam import closed_form
from engine.inference import calibration, conformal, heads, inputs, runtimes
from engine.inference.cards import ModelCard
from engine.inference.heads import LinearHead
from engine.inference.runtimes import Device, Precision, Runtime

__all__ = [
    "HEALTHY",
    "Classified",
    "DecisionRule",
    "EyeClassifier",
    "Ruling",
    "decide",
    "rule_of",
]

HEALTHY: Final = "Healthy"
"""The class that is no disease; compared without regard to case."""

_UNKNOWN_COVERAGE: Final = 0.9


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """Limits of :func:`decide`, all in 0..1; a model's card may carry its own.

    ``minimum_probability`` is what "likely" needs, ``probability_for_disease`` what it needs for
    a disease. ``minimum_evidence`` is how much must speak for an eye to answer at all;
    ``evidence_for_disease`` how much before a disease is named, so that a ball or a cat is never
    given one; ``evidence_alone`` how much when the anatomy sees no eye in the picture.
    ``expected_cues`` maps a class to a measurement of the anatomy and the least value
    that goes with the class: a dark pupil speaks against a cataract, whatever the network says.
    """

    minimum_probability: float = 0.6
    probability_for_disease: float = 0.6
    minimum_evidence: float = 0.5
    evidence_for_disease: float = 0.5
    evidence_alone: float = 0.95
    expected_cues: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_expected_cues()
        for name in (
            "minimum_probability",
            "probability_for_disease",
            "minimum_evidence",
            "evidence_for_disease",
            "evidence_alone",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ModelError(
                    f"A decision rule's {name} should be a number in 0..1, but it is {value!r}; "
                    f"correct 'details.decision' in card.json."
                )

    def _check_expected_cues(self) -> None:
        """Make tuples of the card's lists."""
        checked = {}
        for label, pair in self.expected_cues.items():
            is_pair = not isinstance(pair, str) and len(pair) == 2
            if not is_pair or not isinstance(pair[0], str) or not isinstance(pair[1], int | float):
                raise ModelError(
                    f"A decision rule's expected_cues should map a class to [cue, least value], "
                    f"but {label!r} has {pair!r}; correct 'details.decision' in card.json."
                )
            checked[label] = (pair[0], float(pair[1]))
        object.__setattr__(self, "expected_cues", checked)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """What the network says about one crop, or about several frames of one eye.

    ``raw`` and ``calibrated`` map class → probability and each sum to 1. ``prediction_set`` lists
    the classes that stay possible, the most probable first; it may be empty. ``eye_evidence`` in
    0..1 is how much speaks for the outside of an eye at all. ``features`` is ``(C, h, w)
    float32``, ``None`` when the model does not give them.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32] | None
    raw: Mapping[str, float]
    calibrated: Mapping[str, float]
    prediction_set: tuple[str, ...]
    eye_evidence: float

    @property
    def label(self) -> str:
        """The most probable class."""
        return max(self.calibrated, key=lambda name: self.calibrated[name])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Outcome of :func:`decide`: ``label`` is ``None`` when the picture shows no eye."""

    decision: Literal["likely", "uncertain", "not_an_eye"]
    label: str | None
    reasons: tuple[str, ...] = field(default_factory=tuple)


def decide(
    classified: Classified,
    rule: DecisionRule | None = None,
    *,
    experimental: Sequence[str] = (),
    coverage: float = _UNKNOWN_COVERAGE,
    cues: Mapping[str, float] | None = None,
) -> Ruling:
    """Turn probabilities into an answer that a person may read.

    In this order:

    1. evidence of an eye below ``minimum_evidence``: ``not_an_eye``, no class;
    2. a disease is the best class and the evidence is below ``evidence_for_disease``:
       ``not_an_eye``, no class;
    3. the best class is experimental: ``uncertain``;
    4. the set of possible classes is empty: ``uncertain``, unlike every class;
    5. several classes are possible: ``uncertain``;
    6. the one possible class has a probability below ``minimum_probability`` (for a disease
       ``probability_for_disease``, if higher): ``uncertain``;
    7. a measured cue contradicts the class (``expected_cues``): ``uncertain``;
    8. otherwise ``likely``.

    Whether a picture is good enough to judge (``retake``) is decided before, from its quality.

    Parameters
    ----------
    classified
        The network's answer.
    rule
        Limits; the defaults of :class:`DecisionRule` when ``None``.
    experimental
        Classes with too little data: never more than ``uncertain``.
    coverage
        The conformal sets' promised coverage, for the sentence.
    cues
        Measurements by name (:mod:`engine.eyes.anatomy_cues`); one that is missing contradicts
        nothing.

    Examples
    --------
    >>> calm = Classified(
    ...     logits=np.zeros(2, np.float32), features=None, raw={"Healthy": 0.8, "Stye": 0.2},
    ...     calibrated={"Healthy": 0.9, "Stye": 0.1}, prediction_set=("Healthy",), eye_evidence=0.99
    ... )
    >>> decide(calm).decision
    'likely'
    """
    rule = rule or DecisionRule()
    best = classified.label
    evidence = classified.eye_evidence
    if evidence < rule.minimum_evidence:
        return _no_eye()
    if best.casefold() != HEALTHY.casefold() and evidence < rule.evidence_for_disease:
        return _no_eye()
    possible = classified.prediction_set
    if best in experimental:
        return _uncertain(
            best,
            f"{best} is experimental: the model has seen too few photographs to be relied on.",
        )
    if not possible:
        return _uncertain(best, "The picture is unlike those of every class that the model knows.")
    if len(possible) > 1 or possible[0] != best:
        return _uncertain(best, f"{_listed(possible)} stay possible at {coverage:.0%} coverage.")
    needed = rule.minimum_probability
    if best.casefold() != HEALTHY.casefold():
        needed = max(needed, rule.probability_for_disease)
    if classified.calibrated[best] < needed:
        return _uncertain(
            best,
            f"The best class reaches {classified.calibrated[best]:.0%}, "
            f"and {needed:.0%} are needed.",
        )
    cue, least = rule.expected_cues.get(best, ("", 0.0))
    measured = (cues or {}).get(cue)
    if measured is not None and measured < least:
        return _uncertain(
            best,
            f"The measured {cue.replace('_', ' ')} of {measured:.2f} speaks against {best}, "
            f"where at least {least:.2f} is expected.",
        )
    return Ruling(
        decision="likely",
        label=best,
        reasons=(f"Only {best} stays possible at {coverage:.0%} coverage.",),
    )


@final
class EyeClassifier:
    """A model for eye crops, opened once and used from any number of threads.

    Make it with :meth:`open`.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, head: LinearHead | None) -> None:
        if "logits" not in card.outputs:
            raise ModelError(
                f"An eye model needs an output 'logits', but the card of {card.label!r} names "
                f"{sorted(card.outputs)}; map 'logits' to the network's output in 'outputs'."
            )
        if len(card.classes) < 2:
            raise ModelError(
                f"An eye model needs at least two classes, but {card.label!r} has {card.classes}."
            )
        self.card = card
        self.rule = rule_of(card)
        self._runtime = runtime
        self._head = head if "features" in card.outputs else None

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        threads: int | None = None,
        features_output: str = "",
    ) -> Self:
        """Open a model folder.

        Parameters
        ----------
        folder
            Holds ``card.json`` and the weights: OpenVINO, ONNX, or safetensors of our network.
        device, precision, threads
            See :func:`engine.inference.runtimes.open_runtime`.
        features_output
            Name of the network's output that heat maps are made from, instead of the one that the
            card names. It must be what goes into the global average pooling.

        Raises
        ------
        ModelError
            When the folder is refused or is not an eye model.
        MissingBackendError
            When the library or device that it needs is not there.
        """
        files = runtimes.ModelFiles.load(folder)
        if features_output:
            outputs = {**files.card.outputs, "features": features_output}
            files = replace(files, card=replace(files.card, outputs=outputs))
        runtime = runtimes.open_runtime(
            files,
            device=device,
            precision=precision,
            threads=threads,
            architectures=_ARCHITECTURES,
        )
        return cls(files.card, runtime, heads.load_head(files.folder, files.card))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.card.classes

    @property
    def experimental(self) -> tuple[str, ...]:
        """Classes that are never more than ``uncertain``."""
        return self.card.experimental

    @property
    def coverage(self) -> float:
        """Promised coverage of the prediction sets, in 0..1."""
        found = self.card.conformal
        return _UNKNOWN_COVERAGE if found is None else found.coverage

    @property
    def explains(self) -> bool:
        """Whether :meth:`heat_maps` can give maps."""
        return self._head is not None

    @property
    def runtime(self) -> Runtime:
        """What computes the network, for status pages."""
        return self._runtime

    def classify(
        self,
        crops: NDArray[np.uint8],
        *,
        eye_confidences: Sequence[float] | None = None,
    ) -> list[Classified]:
        """Classify crops in one batch.

        Parameters
        ----------
        crops
            ``(N, H, W, 3) uint8 RGB`` from :func:`engine.eyes.crops.canonical_crop`; resized when
            the model takes another size. ``N`` may be 0.
        eye_confidences
            The anatomy's confidence that each crop shows an eye, in 0..1. Used only when the
            model itself gives no evidence; without both, the evidence is 1.

        Raises
        ------
        InputError
            When crops have another shape or type, or the confidences another count.
        """
        if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8:
            raise InputError(
                f"Eye crops need the shape (N, H, W, 3) and dtype uint8, but got {crops.shape} "
                f"{crops.dtype}; cut them with engine.eyes.crops."
            )
        if eye_confidences is not None and len(eye_confidences) != len(crops):
            raise InputError(
                f"Expected one eye confidence for each of {len(crops)} crops, but got "
                f"{len(eye_confidences)}."
            )
        if not len(crops):
            return []
        outputs = self._runtime.run(inputs.to_batch(self._sized(crops), self.card.picture))
        evidence = _evidence(outputs.get("evidence"), eye_confidences, len(crops))
        features = outputs.get("features")
        return [
            self._answer(
                outputs["logits"][i], None if features is None else features[i], evidence[i]
            )
            for i in range(len(crops))
        ]

    def is_surely_an_eye(self, crop: NDArray[np.uint8]) -> bool:
        """Say whether the model alone is sure of an eye, where the anatomy saw none.

        For close-ups in which the iris fills the picture: ``crop`` is then the picture's middle,
        ``(H, W, 3) uint8 RGB``. Always ``False`` for a model that gives no evidence of its own.
        """
        if "evidence" not in self.card.outputs:
            return False
        return self.classify(crop[None])[0].eye_evidence >= self.rule.evidence_alone

    def average(self, results: Sequence[Classified]) -> Classified:
        """Average several frames of one eye: probabilities and evidence, each frame alike.

        Features are those of the first frame, which should be the best. The set is made from the
        averaged probabilities.

        Raises
        ------
        InputError
            When there is no frame.
        """
        if not results:
            raise InputError("Averaging needs at least one classified frame, but got none.")
        if len(results) == 1:
            return results[0]
        calibrated = self._mean([r.calibrated for r in results])
        return Classified(
            logits=np.mean([r.logits for r in results], axis=0, dtype=np.float32),
            features=results[0].features,
            raw=self._mean([r.raw for r in results]),
            calibrated=calibrated,
            prediction_set=self._possible(np.array([calibrated[n] for n in self.classes])),
            eye_evidence=float(np.mean([r.eye_evidence for r in results])),
        )

    def decide(self, classified: Classified, *, cues: Mapping[str, float] | None = None) -> Ruling:
        """Apply :func:`decide` with this model's limits and experimental classes."""
        return decide(
            classified,
            self.rule,
            experimental=self.experimental,
            coverage=self.coverage,
            cues=cues,
        )

    def heat_maps(
        self, results: Sequence[Classified], labels: Sequence[str], *, height: int, width: int
    ) -> NDArray[np.float32] | None:
        """Return Grad-CAM of one class for each result, or ``None`` when the model has no head.

        Parameters
        ----------
        results
            From :meth:`classify`.
        labels
            The class to explain, for each result.
        height, width
            Size of the maps, usually that of the crops.

        Returns
        -------
        ``(N, height, width) float32`` in 0..1.
        """
        if self._head is None or not results:
            return None
        features = [result.features for result in results]
        known = [array for array in features if array is not None]
        if len(known) != len(results):
            return None
        chosen = [self.classes.index(label) for label in labels]
        maps = closed_form.cam_for_pooled_linear(np.stack(known), self._head.weights, chosen)
        return closed_form.upsample(maps, (height, width))

    def logits_of(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(N, K) float32`` logits alone: what checks of a heat map ask many times."""
        batch = inputs.to_batch(self._sized(crops), self.card.picture)
        return self._runtime.run(batch)["logits"]

    @property
    def head_weights(self) -> NDArray[np.float32] | None:
        """``(K, C)`` weights of the last layer, ``None`` when the folder does not hold them."""
        return None if self._head is None else self._head.weights

    def _answer(
        self, logits: NDArray[np.float32], features: NDArray[np.float32] | None, evidence: float
    ) -> Classified:
        if logits.shape != (len(self.classes),):
            raise ModelError(
                f"The model {self.card.label!r} answers {logits.shape} values, but its card names "
                f"{len(self.classes)} classes; export model and card together."
            )
        raw = calibration.softmax(logits)
        calibrated = calibration.temperature_scale(logits, self.card.temperature)
        return Classified(
            logits=logits,
            features=features,
            raw=dict(zip(self.classes, raw.tolist(), strict=True)),
            calibrated=dict(zip(self.classes, calibrated.tolist(), strict=True)),
            prediction_set=self._possible(calibrated),
            eye_evidence=evidence,
        )

    def _possible(self, probabilities: NDArray[np.float64]) -> tuple[str, ...]:
        if self.card.conformal is not None:
            thresholds = self.card.conformal.thresholds
            return conformal.prediction_set(probabilities, thresholds, self.classes)
        # No calibration pictures: the smallest set that together reaches the usual coverage.
        order = np.argsort(-probabilities, kind="stable")
        needed = int(np.searchsorted(np.cumsum(probabilities[order]), _UNKNOWN_COVERAGE)) + 1
        return tuple(self.classes[i] for i in order[:needed])

    def _mean(self, scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {name: float(np.mean([s[name] for s in scores])) for name in self.classes}

    def _sized(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring crops to the model's size (stretched) and channels."""
        height, width = self.card.picture.height, self.card.picture.width
        if crops.shape[1:3] != (height, width):
            shrinks = height * width < crops.shape[1] * crops.shape[2]
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            crops = np.stack([cv2.resize(c, (width, height), interpolation=way) for c in crops])
        if self.card.picture.channels == "grey":
            crops = np.stack([cv2.cvtColor(c, cv2.COLOR_RGB2GRAY) for c in crops])
        return crops.astype(np.uint8, copy=False)


def _build_own_network() -> object:
    from engine.eyes.recipe.network import EyeNetwork  # torch, only for a safetensors folder
    from engine.eyes.recipe.samples import CLASSES

    return EyeNetwork(len(CLASSES))


_ARCHITECTURES: Final[Mapping[str, Callable[[], object]]] = {
    "lightbox-eye-resnet-1": _build_own_network
}


def rule_of(card: ModelCard) -> DecisionRule:
    """Read the limits from the card's ``details.decision``; defaults where it has none."""
    given = card.details.get("decision", {})
    if not isinstance(given, Mapping):
        raise ModelError(
            f"'details.decision' of {card.label!r} should be an object of numbers, but it is "
            f"{given!r}."
        )
    known = {name: given[name] for name in DecisionRule.__slots__ if name in given}
    return DecisionRule(**known)


def _evidence(
    logits: NDArray[np.float32] | None, confidences: Sequence[float] | None, count: int
) -> list[float]:
    """Return evidence of an eye in 0..1 for each crop, from the surest source there is."""
    if logits is not None:
        values = np.clip(np.asarray(logits, dtype=np.float64).reshape(count), -50, 50)
        return [float(v) for v in 1 / (1 + np.exp(-values))]
    if confidences is not None:
        return [float(value) for value in confidences]
    return [1.0] * count


def _no_eye() -> Ruling:
    reason = "The picture does not look like an external photograph of an eye."
    return Ruling(decision="not_an_eye", label=None, reasons=(reason,))


def _uncertain(label: str, reason: str) -> Ruling:
    return Ruling(decision="uncertain", label=label, reasons=(reason,))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

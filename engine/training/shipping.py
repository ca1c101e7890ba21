"""From trained weights to a model folder: files for both runtimes, figures, curves, the card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from numpy.typing import NDArray

import engine
from engine.inference import cards
from engine.inference.cards import DataSource, FreeSizeSpec, ModelCard
from engine.inference.export import export_openvino
from engine.segmentation.normalising import Normalisation, normalise
from engine.training.architectures import architecture_named, build
from engine.training.checkpoints import save_weights
from engine.training.curves import draw_curves
from engine.training.disk import write_atomically
from engine.training.evaluating import Answer, Evaluation, evaluation_steps, write_evaluation
from engine.training.preparing import PreparedSet
from engine.training.quiet import torch_quiet

if TYPE_CHECKING:
    from torch import Tensor

    from engine.training.planning import Plan

__all__ = ["Origin", "ship"]

NORMALISED_BY: Final = "engine.segmentation.normalising.normalise"
_TILE_PX: Final = 512
_OVERLAP: Final = 0.25
_LARGEST_PX: Final = 4096
_NOT_MEDICAL: Final = "A research demonstrator, not a medical device."


@final
class Origin:
    """What a card says about where a model comes from, besides its pictures."""

    def __init__(
        self,
        *,
        name: str,
        version: str = "1.0",
        licence: str = "none stated",
        source: str = "trained with Lightbox",
        data: Sequence[DataSource] = (),
        split: str = "",
        limits: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.licence = licence
        self.source = source
        self.data = tuple(data)
        self.split = split
        self.limits = tuple(limits)
        self.details = dict(details or {})


def ship(
    folder: Path,
    *,
    weights: Mapping[str, Tensor],
    plan: Plan,
    prepared: PreparedSet,
    parts: Mapping[str, Sequence[int]],
    history: Sequence[Mapping[str, Any]],
    origin: Origin,
    fingerprint: Mapping[str, Any],
    normalisation: Normalisation,
) -> Iterator[tuple[int, int]]:
    """Write the model folder; yield pictures measured and their total, then the folder is there.

    It is made beside its place and moved there when it is whole. Figures come from the files that
    are shipped, not from the network that learnt.

    Raises
    ------
    ModelError
        When the exported network answers differently from the trained one.
    DiskShortError
        When the disk is full.
    """
    new = folder.with_name(f".{folder.name}-new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _export(new, weights, plan, prepared)
    save_weights(new / "weights.safetensors", weights)
    card = _card(plan, prepared, parts, origin, fingerprint, normalisation)
    cards.write(new, card)
    answer = _answering(new)
    steps = evaluation_steps(
        answer,
        prepared.classes,
        validation=[prepared.pictures[i].example() for i in parts.get("validation", ())],
        test=[prepared.pictures[i].example() for i in parts.get("test", ())],
        seed=plan.seed,
    )
    while True:
        try:
            yield next(steps)
        except StopIteration as end:
            evaluation: Evaluation = end.value
            break
    write_evaluation(evaluation, new)
    write_atomically(new / "curves.png", lambda file: file.write(draw_curves(history)))
    cards.write(new, _measured(card, evaluation))
    shutil.rmtree(folder, ignore_errors=True)
    new.replace(folder)


def _export(folder: Path, weights: Mapping[str, Tensor], plan: Plan, prepared: PreparedSet) -> None:
    with torch_quiet():
        plain = {key: value for key, value in plan.options.items() if key != "pretrained"}
        network = build(plan.variant, len(plan.classes), plain)
        network.load_state_dict(dict(weights))
        export_openvino(
            network.eval(),
            _example(prepared, plan),
            folder,
            outputs=["logits"],
            dynamic_sides=True,
            fp16_weights=True,
        )


def _example(prepared: PreparedSet, plan: Plan) -> NDArray[np.float32]:
    """Return a part of a real picture as the network takes it."""
    one = max(prepared.pictures, key=lambda picture: picture.annotated)
    multiple = architecture_named(plan.variant).side_multiple
    side = max(multiple, min(192, plan.patch_px) // multiple * multiple)
    part = normalise(np.ascontiguousarray(one.picture()[:side, :side]), one.levels)
    missing = [side - length for length in part.shape[1:]]
    return np.pad(part, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")[None]


def _answering(folder: Path) -> Answer:
    """Return what answers whole pictures by the files of a folder, tile by tile."""
    from engine.inference.tiled import run_tiled
    from engine.inference.tiled_sources import ArraySource
    from engine.segmentation.segmenter import open_segmenter

    segmenter = open_segmenter(folder)

    def answer(picture: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
        levels = segmenter.normalisation.measure(picture)
        logits = np.empty((len(segmenter.classes), *picture.shape[:2]), np.float32)

        def take(top: int, rows: NDArray[np.float32]) -> None:
            logits[:, top : top + rows.shape[1]] = rows

        for _ in run_tiled(
            ArraySource(picture),
            segmenter.scores,
            take,
            tiling=segmenter.tiling,
            prepare=lambda tile: normalise(tile, levels),
        ):
            pass
        return logits

    return answer


def _card(
    plan: Plan,
    prepared: PreparedSet,
    parts: Mapping[str, Sequence[int]],
    origin: Origin,
    fingerprint: Mapping[str, Any],
    normalisation: Normalisation,
) -> ModelCard:
    architecture = architecture_named(plan.variant)
    learnt = [prepared.pictures[i] for i in (*parts["train"], *parts.get("validation", ()))]
    groups = {one.group or f"\0{one.name}" for one in learnt}
    sizes = {one.pixel_size_um for one in prepared.pictures}
    data = origin.data or (
        DataSource(
            name=prepared.name,
            source=origin.source,
            licence=origin.licence,
            images=len(learnt),
            groups=len(groups),
        ),
    )
    options = {k: v for k, v in plan.options.items() if k != "pretrained"}
    return ModelCard(
        name=origin.name,
        version=origin.version,
        task="segmentation",
        architecture=architecture.title,
        format="openvino",
        input=FreeSizeSpec(
            side_multiple=architecture.side_multiple,
            normalised_by=NORMALISED_BY,
            channels="RGB",
            largest_side=_LARGEST_PX,
        ),
        classes=prepared.classes,
        outputs={"logits": "logits"},
        licence=origin.licence,
        source=origin.source,
        data=data,
        split=origin.split or "by group, by chance",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        limits=(*origin.limits, _NOT_MEDICAL),
        details={
            "architecture": {"name": plan.variant, "options": options},
            "normalisation": normalisation.to_json(),
            "tile_px": _TILE_PX,
            "overlap": _OVERLAP,
            "layers": {"gradcam": architecture.heat_layer},
            "plan": plan.to_json(),
            "fingerprint": dict(fingerprint),
            "dataset": {"name": prepared.name, "manifest_sha256": prepared.manifest_sha256},
            "pixel_size_um": sizes.pop() if len(sizes) == 1 else None,
            "lightbox": engine.__version__,
            "parts": {
                part: [prepared.pictures[i].name for i in own]
                for part, own in parts.items()
                if part != "train"
            },
            **origin.details,
        },
    )


def _measured(card: ModelCard, evaluation: Evaluation) -> ModelCard:
    from dataclasses import replace

    summary = json.loads(json.dumps(evaluation.summary()))
    return replace(
        card,
        temperature=float(np.clip(evaluation.temperature, 0.05, 20.0)),
        metrics=summary,
        limits=(*card.limits, *evaluation.notes),
    )

"""Make the nuclei model: ``python -m engine.training.recipes.nuclei --data DIR --out DIR``.

``--data`` is the folder of the 2018 Data Science Bowl (with ``index.csv``), or one that holds it as
``seg/dsb2018``. A run that was stopped goes on in the same ``--out``. ``OUT/model`` is what lies in
``assets/models/nuclei``; its figures are of the held-back fifth.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.training.events import EpochEnded, Finished, Stopped
from engine.training.examples import Example, TrainingSet
from engine.training.planning import Wishes
from engine.training.recipes.nuclei_card import ORIGIN, finish_card
from engine.training.recipes.nuclei_pictures import Nuclei, nuclei_folder, read_nuclei
from engine.training.running import train

__all__ = ["CLASSES", "main", "nuclei_set"]

CLASSES: Final = ("background", "nucleus")
_MINUTES: Final = 40.0
_RARE: Final = {"fluorescence": 1, "stained": 2, "brightfield_grey": 5}
"""How often a training picture of each kind is in the set, so that the rare ones are learnt too."""

_LOG: Final = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure on the held-back fifth, write the card, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=_MINUTES)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pictures = read_nuclei(nuclei_folder(options.data))
    training_set = nuclei_set(pictures)
    wishes = Wishes(minutes=options.minutes, variant="unet")
    for event in train(training_set, wishes, options.out, origin=ORIGIN):
        if isinstance(event, EpochEnded):
            _LOG.info(
                "epoch %d of %d: loss %.3f, validation %.3f, Dice %.4f",
                *(event.epoch, event.epochs, event.train_loss, event.validation_loss),
                event.mean_dice,
            )
        elif isinstance(event, Stopped):
            _LOG.info("%s", event.reason)
        elif isinstance(event, Finished):
            figures = finish_card(options.out / event.folder, pictures)
            sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


def nuclei_set(pictures: Sequence[Nuclei]) -> TrainingSet:
    """Return the pictures as a training set, those of rare kinds several times."""
    examples = [
        Example(
            name=one.name if copy == 0 else f"{one.name} ({copy + 1})",
            load=one.load,
            group=one.group,
            split=one.part,
        )
        for one in pictures
        for copy in range(_RARE.get(one.kind, 1) if one.part == "train" else 1)
    ]
    return TrainingSet(name="Nuclei", classes=CLASSES, examples=tuple(examples))


if __name__ == "__main__":
    sys.exit(main())

"""All commands, in the order in which ``lightbox --help`` shows them."""

from __future__ import annotations

from engine.cli.audit import AUDIT
from engine.cli.backup import BACKUP
from engine.cli.cells import CELLS
from engine.cli.command import Command
from engine.cli.dataset import DATASET
from engine.cli.doctor import DOCTOR
from engine.cli.eyes import EYES
from engine.cli.files import FILES
from engine.cli.people import PEOPLE
from engine.cli.predict import PREDICT
from engine.cli.serve import SERVE
from engine.cli.spine import SPINE
from engine.cli.store import STORE
from engine.cli.train import TRAIN
from engine.cli.worker import WORKER

__all__ = ["COMMANDS"]

COMMANDS: tuple[Command, ...] = (
    SERVE,
    WORKER,
    EYES,
    SPINE,
    CELLS,
    DATASET,
    TRAIN,
    PREDICT,
    PEOPLE,
    AUDIT,
    STORE,
    FILES,
    BACKUP,
    DOCTOR,
)

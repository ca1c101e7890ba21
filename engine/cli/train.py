"""``lightbox train``: from a labelled dataset to a model folder."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, final, get_args

from engine.cli.command import STOPPED, Command, Document, print_json
from engine.cli.progress import ProgressLine
from engine.cli.train_folder import OutFolder
from engine.errors import RequestError
from engine.imaging.volumes import Plane
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.cli.train_pictures import ReadPictures
    from engine.training.planning import Wishes

__all__ = ["TRAIN"]

_SHORTEST_MIN = 0.2


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="a ZIP or a folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the model goes"
    )
    parser.add_argument("--minutes", type=float, metavar="N", help="all of it within N minutes")
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--variant", default="", metavar="NAME", help="the network's architecture")
    parser.add_argument("--learning-rate", type=float, metavar="X")
    parser.add_argument("--batch-size", type=int, metavar="N")
    parser.add_argument("--patch", type=int, metavar="PX", help="edge of the training patches")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="", help="what the model is called")
    parser.add_argument(
        "--mapping",
        action="append",
        default=[],
        metavar="VALUE=CLASS",
        help="what a value of the masks means, for example 255=gland; may be given again",
    )
    parser.add_argument("--form", default="", help="the form of the dataset, when it is misread")
    parser.add_argument(
        "--plane", default="axial", choices=get_args(Plane), help="how volumes are cut"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    started = time.monotonic()
    _check(options)
    from engine.cli.train_meaning import parse_mapping
    from engine.cli.train_pictures import read_pictures

    mapping = parse_mapping(options.mapping)
    folder = OutFolder(options.out)
    folder.check()
    line = ProgressLine(is_shown=sys.stderr.isatty())
    with read_pictures(
        options.dataset,
        name=options.name,
        form=options.form,
        plane=options.plane,
        mapping=mapping,
        tell=lambda done, total, text: line.show(0.0, f"{text} {done} of {total}", 0.0),
    ) as read:
        line.clear()
        _say_what_was_read(read)
        folder.begin(_request(options, read.training_set.manifest_sha256))
        return _trained(options, settings, read, folder, started)


def _check(options: argparse.Namespace) -> None:
    if options.minutes is not None and not _SHORTEST_MIN <= options.minutes < float("inf"):
        raise RequestError(
            f"--minutes must be at least {_SHORTEST_MIN:g}, but is {options.minutes:g}."
        )
    for name in ("epochs", "batch_size", "patch", "learning_rate"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise RequestError(f"--{name.replace('_', '-')} must be above 0, but is {value:g}.")


def _request(options: argparse.Namespace, manifest_sha256: str) -> Document:
    """Return what must be the same for an earlier run to go on; the hash is of all pixels."""
    names = ("minutes", "epochs", "variant", "learning_rate", "batch_size", "patch", "seed")
    return {**{name: getattr(options, name) for name in names}, "pictures": manifest_sha256}


def _say_what_was_read(read: ReadPictures) -> None:
    """Tell on standard error what the masks mean, and what is not used."""
    examples = read.training_set.examples
    pairs = ", ".join(f"{key} is {target}" for key, target in read.meaning.mapping.items())
    lines = [
        f"{read.training_set.name}: {len(examples)} pictures with masks.",
        *read.meaning.sentences,
        f"Taken as: {pairs}. Otherwise say --mapping VALUE=CLASS.",
        *read.notes[:20],
    ]
    if len(read.notes) > 20:
        lines.append(f"… and {len(read.notes) - 20} more.")
    print("\n".join(lines), file=sys.stderr)


def _trained(
    options: argparse.Namespace,
    settings: Settings,
    read: ReadPictures,
    folder: OutFolder,
    started: float,
) -> int:
    from engine.cli.train_watching import Watcher
    from engine.memory_guard import MemoryGuard
    from engine.training.running import train
    from engine.training.shipping import Origin

    wishes = _wishes(options, started)
    origin = Origin(name=read.training_set.name, source=f"lightbox train {options.dataset.name}")
    guard = MemoryGuard(floor_mb=settings.memory_floor_mb)
    watcher = Watcher(ProgressLine(is_shown=sys.stderr.isatty()))
    with _Stop.on_interrupt() as stop:
        for event in train(
            read.training_set,
            wishes,
            folder.work,
            origin=origin,
            control=stop.wish,
            guard=lambda need_mb, what: guard.require(need_mb, what=what),
            check=lambda: stop.check(has_begun=watcher.has_begun),
        ):
            watcher.see(event)
    watcher.end()
    if not watcher.is_finished:
        print("lightbox: stopped before there was a model", file=sys.stderr)
        return STOPPED
    files = folder.finish()
    document = {
        "folder": str(options.out),
        "name": read.training_set.name,
        "classes": list(read.training_set.classes),
        "mapping": dict(read.meaning.mapping),
        "pictures": len(read.training_set.examples),
        "notes": list(read.notes),
        "stopped": watcher.stopped,
        "epochs": watcher.epochs,
        "seconds": round(time.monotonic() - started, 1),
        "metrics": watcher.metrics,
        "files": files,
    }
    if options.json:
        print_json(document)
    else:
        print(_as_text(document))
    return 0


def _wishes(options: argparse.Namespace, started: float) -> Wishes:
    from engine.training.planning import Wishes

    minutes = options.minutes
    if minutes is not None:  # what reading took is part of it
        minutes = max(_SHORTEST_MIN, minutes - (time.monotonic() - started) / 60)
    return Wishes(
        minutes=minutes,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        patch_px=options.patch,
        variant=options.variant or None,
        seed=options.seed,
    )


def _as_text(document: dict[str, Any]) -> str:
    metrics = document["metrics"]
    lines = [f"{document['folder']}: {', '.join(document['files'])}"]
    for name in document["classes"][1:]:
        figure = metrics.get("dice", {}).get(name, {})
        if figure.get("value") is not None:
            lines.append(f"Dice {figure['value']:.3f}  {_between(figure)}  {name}")
    part = {"test": "held-back", "validation": "validation"}.get(metrics.get("part", ""), "no")
    lines.append(f"on {metrics.get('pictures', 0)} {part} pictures")
    return "\n".join(lines)


def _between(figure: Document) -> str:
    if figure.get("low") is None:
        return "(no interval: one group)"
    return f"({figure['low']:.3f} to {figure['high']:.3f})"


@final
@dataclass(slots=True)
class _Stop:
    """Ctrl-C: the first ends the training with the best network kept, the second ends all."""

    is_asked: bool = False

    def wish(self) -> Literal["go", "finish"]:
        """Return what the person wants."""
        return "finish" if self.is_asked else "go"

    def check(self, *, has_begun: bool) -> None:
        """End at once when nothing was learnt yet: there is nothing to keep."""
        if self.is_asked and not has_begun:
            raise KeyboardInterrupt

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        print(
            "\nlightbox: stopping; the best network so far is kept (Ctrl-C again: at once)",
            file=sys.stderr,
        )

    @classmethod
    @contextmanager
    def on_interrupt(cls) -> Iterator[_Stop]:
        """Hear SIGINT until the context ends."""
        stop = cls()
        before = signal.signal(signal.SIGINT, stop._hear)
        try:
            yield stop
        finally:
            signal.signal(signal.SIGINT, before)


TRAIN = Command(
    name="train",
    help="train a segmentation model on a labelled dataset",
    add_options=_add_options,
    run=_run,
)

"""A model's folder once turned into OpenVINO's files, and kept.

The work needs torch and some 2 GB for a moment, so it is done in a process of its own that takes
its memory along when it ends. What it writes becomes visible in one step; a torn conversion is
never taken for a whole one. Runs as ``python -m engine.spine.nnunet.conversion MODEL TARGET``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from engine.errors import ModelError
from engine.spine.nnunet.architecture import LastLayer
from engine.spine.nnunet.plans import CHECKPOINT, DATASET, PLANS, Plans, read_plans

__all__ = ["CONVERSION_MB", "ConvertedModel", "converted_model", "is_converted", "main"]

CONVERSION_MB: Final = 1200.0
"""Memory of the converting process for a network of 31 million weights (measured: 0.9 GB)."""

_VERSION: Final = 1
"""Goes up when older conversions must not be used any more."""

_GRAPH, _WEIGHTS, _LAST, _NOTE = "network.xml", "network.bin", "last_layer.npz", "conversion.json"
_POLL_S: Final = 0.2
_REFUSED: Final = 2
_ROOT: Final = Path(__file__).parents[3]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedModel:
    """A model in OpenVINO's format: its folder, plans, and the layer that the graph leaves out."""

    folder: Path
    plans: Plans
    last_layer: LastLayer

    @property
    def graph(self) -> Path:
        """The graph's file; its weights lie beside it."""
        return self.folder / _GRAPH


def is_converted(model: Path, cache: Path) -> bool:
    """Tell whether the model needs no conversion any more.

    Raises
    ------
    ModelError
        When the model's folder is incomplete.
    """
    return _is_whole(cache / _key(model))


def converted_model(
    model: Path, cache: Path, *, on_wait: Callable[[], object] = lambda: None
) -> ConvertedModel:
    """Return the converted model, after converting it when that has not been done.

    Parameters
    ----------
    model
        Folder with ``dataset.json``, ``plans.json`` and ``fold_0``.
    cache
        Folder of converted models; made when needed.
    on_wait
        Called several times a second during the conversion; raising from it ends it, and nothing
        is left behind.

    Raises
    ------
    ModelError
        When the model is incomplete, damaged, unsafe to read, or of another kind.
    """
    plans = read_plans(model)
    folder = cache / _key(model)
    if not _is_whole(folder):
        _convert(model, folder, on_wait)
    try:
        with np.load(folder / _LAST, allow_pickle=False) as stored:
            last = LastLayer(weights=stored["weights"], bias=stored["bias"])
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder) from error
    if last.weights.shape[:1] != (len(plans.labels),) or last.bias.shape != last.weights.shape[:1]:
        raise _damaged(folder)
    return ConvertedModel(folder=folder, plans=plans, last_layer=last)


def main(arguments: list[str]) -> int:
    """Convert ``MODEL`` into the new folder ``TARGET``; a sentence on standard error if not."""
    model, target = (Path(argument) for argument in arguments)
    try:
        _write(model, target)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    return 0


def _key(model: Path) -> str:
    """Return a name that changes when plans, names or weights do.

    The weights stand for themselves by size and time of writing: to read 250 MB on every run
    would take as long as a tile.
    """
    content = hashlib.sha256(f"{_VERSION}".encode())
    try:
        for name in (PLANS, DATASET):
            content.update((model / name).read_bytes())
        state = (model / CHECKPOINT).stat()
    except OSError as error:
        raise ModelError(
            f"Expected {PLANS}, {DATASET} and {CHECKPOINT} in {model}, but "
            f"{Path(str(error.filename)).name} cannot be read ({error.strerror}); download the "
            "model again."
        ) from error
    content.update(f"{state.st_size} {state.st_mtime_ns}".encode())
    digits = "".join(filter(str.isdigit, model.parent.name[:10])) or "model"
    return f"{digits}-{content.hexdigest()[:16]}"


def _is_whole(folder: Path) -> bool:
    """Whether all files are there with the sizes that were written."""
    try:
        sizes = json.loads((folder / _NOTE).read_text(encoding="utf-8"))["bytes"]
        return set(sizes) == {_GRAPH, _WEIGHTS, _LAST} and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _convert(model: Path, folder: Path, on_wait: Callable[[], object]) -> None:
    """Run the conversion in another process and put its result in place in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _run(model, part, on_wait)
        if folder.exists():  # damaged, or another process was faster: ours is as good
            shutil.rmtree(folder, ignore_errors=True)
        try:
            part.rename(folder)
        except OSError as error:
            if not _is_whole(folder):
                raise ModelError(
                    f"Expected to write the converted model to {folder}, but that failed "
                    f"({error.strerror}); make room, or set LIGHTBOX_HOME to another folder."
                ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _run(model: Path, part: Path, on_wait: Callable[[], object]) -> None:
    # By path, so that the very code that runs here runs there. It ends with its input: when this
    # process is gone, however it ended, nobody needs the result.
    code = (
        f"import sys; sys.path.insert(0, {str(_ROOT)!r})\n"
        "import os, threading\n"
        "end = lambda: (os.read(0, 1), os._exit(3))\n"
        "threading.Thread(target=end, daemon=True).start()\n"
        "from engine.spine.nnunet.conversion import main; sys.exit(main(sys.argv[1:]))"
    )
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(  # noqa: S603 – our own interpreter and code
            [sys.executable, "-W", "ignore", "-c", code, str(model), str(part)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        ) as process,
    ):
        try:
            _wait(process, on_wait)
        finally:
            process.kill()  # does nothing to one that has ended
        complaints.seek(0)
        lines = [line.strip() for line in complaints if line.strip()]
    if process.returncode == 0 and _is_whole(part):
        return
    if process.returncode == _REFUSED and lines:
        raise ModelError(lines[-1])
    raise ModelError(
        f"Expected to convert the model in {model}, but the process ended with "
        f"{process.returncode} ({lines[-1][:200] if lines else 'no message'}); free memory and try "
        "again, or download the model again."
    )


def _wait(process: subprocess.Popen[bytes], on_wait: Callable[[], object]) -> None:
    while True:
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            on_wait()
        else:
            return


def _write(model: Path, target: Path) -> None:
    """Read, build, and write all files; runs in the converting process."""
    from engine.inference.openvino_library import load_openvino
    from engine.spine.nnunet.architecture import build_graph
    from engine.spine.nnunet.checkpoints import read_tensors

    plans = read_plans(model)
    graph, last = build_graph(plans, read_tensors(model / CHECKPOINT))
    target.mkdir(parents=True)
    load_openvino().save_model(graph, target / _GRAPH, compress_to_fp16=True)
    np.savez(target / _LAST, weights=last.weights, bias=last.bias)
    sizes = {name: (target / name).stat().st_size for name in (_GRAPH, _WEIGHTS, _LAST)}
    note = {"dataset": plans.dataset, "version": _VERSION, "bytes": sizes}
    with (target / _NOTE).open("w", encoding="utf-8") as stream:
        json.dump(note, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def _sweep(cache: Path) -> None:
    """Remove what conversions of ended processes left behind."""
    for part in cache.glob(".*.part"):
        owner = part.name.split(".")[-2]
        if not owner.isdigit() or not Path(f"/proc/{owner}").exists():
            shutil.rmtree(part, ignore_errors=True)


def _damaged(folder: Path) -> ModelError:
    return ModelError(
        f"Expected a converted model in {folder}, but its files are damaged; remove the folder, it "
        "is made again from the weights."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

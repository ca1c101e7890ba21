"""The one place that imports TotalSegmentator: called in the worker process, and nowhere else.

It is process-global (environment, threads, progress bars), prints, calls ``sys.exit`` and would
download and send statistics. All of that stays inside of this process.
"""

from __future__ import annotations

import json
import multiprocessing
import pickle
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import (
    LightboxError,
    MemoryShortError,
    MissingBackendError,
    ModelError,
    SettingsError,
)
from engine.spine.totalsegmentator.seclusion import attempts

if TYPE_CHECKING:
    import nibabel

__all__ = ["run"]

Send = Callable[[Mapping[str, Any]], object]

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "total_fast": {"task": "total", "fast": True},
    "total": {"task": "total"},
    "vertebrae_pp": {"task": "vertebrae_pp"},
}
_MEMORY_WORDS = ("allocate memory", "out of memory", "background workers", "worker died")


def run(request: Mapping[str, Any], send: Send) -> int:
    """Segment ``volume.npy`` of the request's folder into ``labels.npy`` there; tell how it ended.

    ``result.json`` beside it holds the names of the codes, the version and the device. Returns the
    exit code: 0 when the labels are there, 1 when a ``failed`` event was sent.
    """
    try:
        _segment(request, send)
    except LightboxError as problem:
        send(_failed(problem))
    except (Exception, SystemExit) as problem:  # noqa: BLE001 – a library may raise anything
        traceback.print_exc()  # into the log of the run
        send(_failed(_translated(problem)))
    else:
        send({"event": "labelled", "refused": len(attempts())})
        return 0
    return 1


def _segment(request: Mapping[str, Any], send: Send) -> None:
    send({"event": "step", "step": "loading", "text": "Loading TotalSegmentator"})
    # It asks for the number of processors to set torch's threads: a container has fewer.
    multiprocessing.cpu_count = lambda: int(request["threads"])
    # Where this process and those that it starts put their sockets: a folder with a short name.
    own: Any = multiprocessing.current_process()
    own._config["tempdir"] = request["sockets"]  # noqa: SLF001 – it has no public name
    import numpy as np
    import torch

    torch.set_num_threads(int(request["threads"]))
    try:
        import nnunetv2.inference.predict_from_raw_data as prediction
        import totalsegmentator.nnunet as _  # noqa: F401 – before its progress bars are replaced
        from totalsegmentator import python_api
        from totalsegmentator.config import get_version
        from totalsegmentator.map_to_binary import class_map
    except ImportError as problem:
        raise _not_installed(problem) from problem
    folder = Path(request["folder"])
    python_api.download_pretrained_weights = _no_download
    prediction.tqdm = _bar_class(prediction.tqdm, send)
    device = _device(str(request["device"]), has_gpu=torch.cuda.is_available())
    options = dict(_OPTIONS[request["task"]])
    names = dict(class_map[options["task"]])
    if request["task"] == "total":
        spine = [n for n in names.values() if n == "sacrum" or n.startswith("vertebrae_")]
        options["roi_subset"] = spine
    send({"event": "step", "step": "resampling", "text": "Resampling the CT"})
    found = python_api.totalsegmentator(
        _image(folder, request["affine"]),
        None,
        ml=True,
        device=device,
        nr_thr_resamp=1,
        nr_thr_saving=1,
        quiet=True,
        **options,
    )
    send({"event": "step", "step": "labelling", "text": "Bringing the labels to the CT's grid"})
    labels = np.asanyarray(found.dataobj)
    np.save(folder / "labels.npy", labels.astype(np.uint8))
    about = {
        "names": names,
        "version": get_version(),
        "device": device,
        "peak_mb": [_peak_mb(resource.RUSAGE_SELF), _peak_mb(resource.RUSAGE_CHILDREN)],
    }
    (folder / "result.json").write_text(json.dumps(about), encoding="utf-8")


def _image(folder: Path, affine: Any) -> nibabel.nifti1.Nifti1Image:  # noqa: ANN401 – from JSON
    import nibabel
    import numpy as np

    voxels = np.load(folder / "volume.npy", mmap_mode="r")
    matrix = np.asarray(affine, np.float64)
    return nibabel.nifti1.Nifti1Image(voxels, matrix)  # type: ignore[no-untyped-call]


def _device(asked: str, *, has_gpu: bool) -> str:
    if asked == "cuda" and not has_gpu:
        raise SettingsError(
            "Expected a GPU because LIGHTBOX_DEVICE is cuda, but torch finds none; set it to auto "
            "or cpu."
        )
    return "gpu" if has_gpu and asked != "cpu" else "cpu"


def _peak_mb(whose: int) -> int:
    """Return the most memory that a process had, which Linux counts in KiB and macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(whose).ru_maxrss * unit / 1e6)


def _no_download(task_id: object) -> None:
    """Take the weights that are there: somebody looked before, and this process has no network."""
    del task_id


def _bar_class(base: type[Any], send: Send) -> type[Any]:
    """Return nnU-Net's progress bar as one that tells us instead of a terminal.

    The bars without a description count tiles, one bar for each model; ``update`` comes for each
    tile, also where the bar is not shown.
    """

    class TileBar(base):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 – as tqdm
            super().__init__(*args, **{**options, "disable": True})
            self._told = 0
            self._of = int(options.get("total") or 0)
            self._counts_tiles = options.get("desc") is None

        def update(self, n: float | None = 1) -> None:
            self._told += int(n or 0)
            if self._counts_tiles:
                send({"event": "tile", "tile": self._told, "of": self._of})
            else:
                send({"event": "step", "step": "collecting", "text": "Collecting the result"})

    return TileBar


# --- failures ------------------------------------------------------------------------------------


def _failed(problem: LightboxError) -> dict[str, Any]:
    return {"event": "failed", "code": problem.code, "message": str(problem)}


def _translated(problem: BaseException) -> LightboxError:
    """Return what the library raised as a sentence with what to do."""
    text = f"{type(problem).__name__}: {problem}"
    if isinstance(problem, MemoryError) or any(w in text.lower() for w in _MEMORY_WORDS):
        return MemoryShortError(
            "Expected TotalSegmentator to fit in memory, but it ran out of it; send a smaller CT, "
            "cut it to the spine, or choose another backend."
        )
    if isinstance(problem, SystemExit):
        return ModelError(
            f"Expected labels from TotalSegmentator, but it stopped itself ({problem.code}); "
            "choose another task or backend."
        )
    if isinstance(problem, (pickle.UnpicklingError, EOFError)) or "state_dict" in text:
        return ModelError(
            f"Expected weights that fit, but they cannot be loaded ({text[:200]}); remove their "
            "folder and download them again."
        )
    if isinstance(problem, ImportError):
        return _not_installed(problem)
    return ModelError(
        f"Expected labels from TotalSegmentator, but it failed at {_place(problem)} with "
        f"{text[:200]}; choose another task, or the backend nnunet or embedded."
    )


def _not_installed(problem: ImportError) -> MissingBackendError:
    return MissingBackendError(
        f"Expected TotalSegmentator, but it cannot be imported ({problem}); install it with "
        "`pip install 'lightbox-imaging[spine]'`, or choose the backend nnunet or embedded."
    )


def _place(problem: BaseException) -> str:
    """Return the file and line where it happened: the library's, not a path of this machine."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"

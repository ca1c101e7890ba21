"""Grad-CAM of an answer, in a process of its own: the server itself never loads torch."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, final

import engine
from engine import errors
from engine.errors import BusyError, LightboxError, ModelError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.annotation.raster import Box
    from engine.catalogue.predicting.answers import Progress
    from engine.memory_guard import MemoryGuard

__all__ = ["Explained", "explain"]

_MODULE: Final = "engine.catalogue.predicting.explainer"
_ROOT: Final = Path(engine.__file__).resolve().parent.parent
_NEED_MB: Final = 1_300.0
_PATIENCE_S: Final = 180.0
_one_at_a_time = threading.Lock()


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Where a model looked. ``heat`` is ``(h, w) float32`` in 0..1 over ``window``.

    ``window`` is the part of the picture ``shape`` (height, width) that was looked at;
    ``verdict`` what the map is worth, as :class:`engine.gradcam.checks.Judgement`; ``sentence``
    why.
    """

    heat: NDArray[np.float32]
    window: Box
    shape: tuple[int, int]
    class_name: str
    verdict: str
    sentence: str

    def at(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the heat of the whole picture at another size, 0 where nobody looked."""
        import cv2
        import numpy as np

        whole = np.zeros((height, width), np.float32)
        down, across = height / self.shape[0], width / self.shape[1]
        top, bottom = round(self.window.top * down), round(self.window.bottom * down)
        left, right = round(self.window.left * across), round(self.window.right * across)
        if bottom > top and right > left:
            size = (right - left, bottom - top)
            part = cv2.resize(self.heat, size, interpolation=cv2.INTER_LINEAR)
            whole[top:bottom, left:right] = np.clip(part, 0, 1)
        return whole


def explain(
    folder: Path,
    picture: NDArray[np.uint8],
    class_name: str,
    *,
    classes: tuple[str, ...],
    box: Box | None,
    guard: MemoryGuard,
    tell: Progress,
) -> Explained:
    """Return where the model in ``folder`` looked for a class in ``picture`` ``(H, W, 3)``.

    With a ``box`` the class inside it is explained. What lies around it is looked at too, all in
    all at most 768 pixels a side.

    Raises
    ------
    RequestError
        When there is no such class, or the box lies outside.
    ModelError
        When the model has no weights for this.
    BusyError
        When another answer is being explained.
    MemoryShortError
        When there is no room for it.
    """
    from engine.annotation.raster import Box

    if class_name not in classes:
        raise RequestError(
            f"The model tells {', '.join(classes)} apart, but “{class_name[:60]}” was asked for."
        )
    shape = picture.shape[0], picture.shape[1]
    whole = Box.whole(shape)
    inside = whole if box is None else box.cut(whole)
    if inside.is_empty:
        raise RequestError("This region lies outside of the picture; choose another one.")
    guard.require(_NEED_MB, what="explaining an answer")
    if not _one_at_a_time.acquire(timeout=1.0):
        raise BusyError("Another answer is being explained; try again in a few seconds.")
    try:
        request = {
            "folder": str(folder),
            "class": classes.index(class_name),
            "region": [inside.left, inside.top, inside.right, inside.bottom],
        }
        heat, told = _in_a_process(request, picture, tell)
    finally:
        _one_at_a_time.release()
    left, top, width, height = (int(value) for value in told["window"])
    return Explained(
        heat=heat,
        window=Box(left=left, top=top, right=left + width, bottom=top + height),
        shape=shape,
        class_name=class_name,
        verdict=str(told["verdict"]),
        sentence=str(told["sentence"]),
    )


def _in_a_process(
    request: Mapping[str, Any], picture: NDArray[np.uint8], tell: Progress
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    import numpy as np

    with TemporaryDirectory(prefix="lightbox-heat-") as place:
        work = Path(place)
        np.save(work / "picture.npy", picture)
        (work / "request.json").write_text(json.dumps(request), encoding="utf-8")
        tell(0.05, "Starting")
        with (work / "errors.txt").open("wb") as complaints:
            process = subprocess.Popen(  # noqa: S603 – our own module, no shell
                [sys.executable, "-W", "ignore", "-m", _MODULE, str(work)],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
            )
        try:
            _wait(process, tell)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        _raise_what_failed(work, process.returncode)
        heat = np.load(work / "heat.npy", allow_pickle=False)
        told = json.loads((work / "told.json").read_text(encoding="utf-8"))
        return np.asarray(heat, np.float32), told


def _wait(process: subprocess.Popen[bytes], tell: Progress) -> None:
    began = time.monotonic()
    while process.poll() is None:
        passed = time.monotonic() - began
        if passed > _PATIENCE_S:
            raise ModelError(
                f"Explaining took more than {_PATIENCE_S:.0f} s and was ended; choose a smaller "
                "region."
            )
        tell(min(0.95, 0.05 + passed / 12), "Following the model backwards")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)


def _raise_what_failed(work: Path, code: int) -> None:
    failed = work / "failed.json"
    if failed.exists():
        told = json.loads(failed.read_text(encoding="utf-8"))
        for kind in vars(errors).values():
            if (
                isinstance(kind, type)
                and issubclass(kind, LightboxError)
                and kind.code == told["code"]
            ):
                raise kind(told["message"])
        raise ModelError(told["message"])
    if code or not (work / "heat.npy").exists():
        raise ModelError(
            "Explaining ended without a result, most probably because memory ran out; choose a "
            "smaller region, or try again when less is going on."
        )

"""``lightbox spine``: one CT in this very process, its answer as document, text and files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from engine.errors import InputError
from engine.imaging.volume_files import read_volume
from engine.imaging.volume_files.results import ReadForecast, Watch
from engine.memory_guard import MemoryGuard
from engine.settings import Settings
from engine.spine.backends import open_segmenter
from engine.spine.choices import Backend, Task
from engine.spine.documents import Document, detection_json
from engine.spine.limits import limits_of
from engine.spine.pacing import Pace
from engine.spine.results import Detection
from engine.spine.segmenters import RunWatch

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["FoundInFile", "Tell", "as_text", "detect_file", "write_files"]

Tell = Callable[[float, str, float], object]
"""Gets the fraction that is done (0..1), words, and the seconds that are probably left."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInFile:
    """A detection, and the de-identified headers of the CT it was made in."""

    detection: Detection
    headers: tuple[Dataset, ...]

    def document(self) -> Document:
        """Return the result document."""
        return detection_json(self.detection)


def detect_file(
    path: Path,
    settings: Settings,
    *,
    backend: Backend = "embedded",
    task: Task = "total_fast",
    transitional: bool = True,
    tell: Tell = lambda _done, _text, _left: None,
) -> FoundInFile:
    """Read a file, a ZIP or a folder and find the vertebrae in it.

    Raises
    ------
    InputError
        When there is no CT that can be read.
    LightboxError
        When memory, libraries or weights are missing.
    """
    guard = MemoryGuard(floor_mb=settings.memory_floor_mb)
    segmenter = open_segmenter(backend, settings, task=task)
    pace = Pace({"reading": 3.0, "finding": 10.0})

    def at(step: str, part: float, text: str) -> None:
        tell(pace.at(step, part), text, pace.remaining_s())

    def before_reading(forecast: ReadForecast) -> None:
        guard.require(forecast.need_mb, what=forecast.what)
        spacing = forecast.spacing_mm or (1.0, 1.0, 1.0)
        pace.expect("finding", segmenter.forecast(forecast.shape, spacing).seconds)

    began = time.perf_counter()
    at("reading", 0.0, "Opening the CT")
    read = read_volume(
        path,
        limits=limits_of(settings),
        watch=Watch(
            before_reading=before_reading,
            on_progress=lambda done, total: at(
                "reading", done / max(1, total), f"Slice {done} of {total}"
            ),
        ),
    )
    reading_ms = (time.perf_counter() - began) * 1000.0
    from engine.spine.detecting import detect  # its libraries load while the CT is there already

    detection = detect(
        read,
        segmenter,
        transitional=transitional,
        task=None if backend == "embedded" else task,
        watch=RunWatch(
            on_progress=lambda progress: at("finding", progress.done, progress.text),
            before=lambda need_mb, what: guard.require(need_mb, what=what),
        ),
    )
    timings = {"reading": reading_ms, **detection.timings_ms}
    return FoundInFile(detection=replace(detection, timings_ms=timings), headers=read.headers)


def write_files(found: FoundInFile, folder: Path) -> list[Path]:
    """Write every download that this result allows, and return their paths.

    Raises
    ------
    InputError
        When the folder cannot be written.
    """
    from engine.spine.exports import EXPORTS
    from engine.spine.saved import save

    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside its target: it has room for as much, and an interrupt removes it.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".lightbox-") as scratch:
            saved = save(found.detection, Path(scratch) / "result", found.headers)
            written = []
            for export in EXPORTS.values():
                if export.why_not(saved) is None:
                    written.append(folder / export.file_name)
                    written[-1].write_bytes(export.make(saved))
    except OSError as error:
        raise InputError(
            f"Expected a folder for the results at {folder}, but it cannot be written "
            f"({error.strerror}); name another."
        ) from error
    return written


def as_text(document: Mapping[str, Any]) -> str:
    """Return a result document as lines for a person."""
    lines = [f"{document['file']}:"]
    if document["vertebrae"]:
        lines.append("  name   centre in mm (R, A, S)     volume  height  HU    confidence")
    lines += [_row(vertebra) for vertebra in document["vertebrae"]]
    told = [*document["audit"]["sentences"], *document["notes"], *document["input"]["warnings"]]
    lines += [f"  {sentence}" for sentence in told]
    lines.append(f"  {document['model']}, {document['processing_time_ms'] / 1000:.1f} s.")
    lines.append(f"  {document['disclaimer']}")
    return "\n".join(lines)


def _row(vertebra: Mapping[str, Any]) -> str:
    x, y, z = (vertebra["center_mm"][axis] for axis in "xyz")
    flags: Sequence[str] = [
        *(["cut by the border"] if vertebra["truncated"] else []),
        *vertebra["flags"],
    ]
    cells = [
        f"  {vertebra['label']:<4}",
        f"{x:8.1f} {y:8.1f} {z:8.1f}",
        _cell(vertebra["volume_ml"], "7.1f", " ml"),
        _cell(vertebra["height_mm"], "5.1f", " mm"),
        _cell(vertebra["mean_hu"], "5.0f", ""),
        f"{100 * vertebra['confidence']:4.0f} %",
        ", ".join(flags),
    ]
    return " ".join(cells).rstrip()


def _cell(value: float | None, form: str, unit: str) -> str:
    return f"{value:{form}}{unit}" if value is not None else "–".rjust(int(form[0]) + len(unit))

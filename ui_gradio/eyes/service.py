"""The functions of the eye check behind a click, a Gradio call and a plain request alike.

They take what a request holds (already checked by :mod:`ui_gradio.eyes.requests`), ask the engine,
and hand back JSON. Nothing that a visitor sent outlives the call, except an open webcam stream.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, final

import gradio
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import engine
from engine.eyes import documents, wording
from engine.eyes.judging import HeatMaps
from engine.eyes.report import report_html
from engine.eyes.results import EyeFinding, Screening, Side
from engine.imaging import overlays
from engine.imaging.boxes import Box
from engine.settings import Settings
from ui_gradio.admission import Admission
from ui_gradio.eyes.requests import PictureReader
from ui_gradio.eyes.streams import Streams
from ui_gradio.vault import Vault

__all__ = ["Document", "EyeService", "Screener", "Step", "Stream"]

Document = dict[str, Any]


class Step(Protocol):
    """What the engine says after one frame of a stream."""

    @property
    def face(self) -> Box | None:
        """Where the face is, in pixels of the frame."""
        ...

    @property
    def eyes(self) -> Mapping[Side, Box]:
        """Where the eyes are."""
        ...

    @property
    def coach(self) -> str:
        """What the person should change."""
        ...

    @property
    def progress(self) -> Mapping[Side, int]:
        """Good frames kept of each eye."""
        ...

    @property
    def needed(self) -> int:
        """Good frames wanted of each eye."""
        ...

    @property
    def done(self) -> bool:
        """Whether the result is due."""
        ...

    @property
    def timings_ms(self) -> Mapping[str, float]:
        """Milliseconds of each step."""
        ...


class Stream(Protocol):
    """One visitor's webcam as the engine sees it."""

    def offer(self, picture: NDArray[np.uint8]) -> Step:
        """Look at one frame."""
        ...

    def result(self) -> Screening:
        """Judge the best frames so far."""
        ...


class Screener(Protocol):
    """The engine's eye check, as far as the pages need it."""

    def screen(
        self, pictures: Sequence[NDArray[np.uint8]], *, heat_maps: HeatMaps | None = None
    ) -> Screening:
        """Judge one picture, or several frames of one person."""
        ...

    def new_stream(self) -> Stream:
        """Open a stream for one visitor."""
        ...

    def status(self) -> Document:
        """Return models and memory for the health answer."""
        ...


@final
class EyeService:
    """One application's eye check: limits, open streams, uploads in flight."""

    def __init__(
        self, screener: Screener, settings: Settings, admission: Admission | None = None
    ) -> None:
        self.settings = settings
        self.admission = admission or Admission(capacity=settings.queue_size, work_places=2)
        self.vault = Vault(max_total_bytes=8 * settings.max_upload_mb * 1_000_000)
        self.streams: Streams[Stream] = Streams(screener.new_stream)
        self.reader = PictureReader(settings, self.vault)
        self._screener = screener

    def predict(self, frames: Sequence[Mapping[str, Any]], *, report: bool = False) -> Document:
        """Judge the frames of one person together."""
        with self.admission.work():
            body = self._judged(self.reader.read_frames(frames), report=report)
        return {"status_code": 200, "body": body}

    def upload(self, image: str | Mapping[str, Any], *, report: bool = False) -> Document:
        """Judge one picture."""
        with self.admission.work():
            return self._judged([self.reader.read(image)], report=report)

    def upload_bytes(self, data: bytes) -> Document:
        """Judge the picture in the bytes of a file."""
        with self.admission.work():
            return self._judged([self.reader.read_bytes(data)], report=False)

    def screen_frame(
        self,
        frame: str | Mapping[str, Any],
        *,
        session: str = "",
        finish: bool = False,
        report: bool = False,
    ) -> Document:
        """Look at the next frame of a stream; the last answer holds the result."""
        with self.admission.work():
            picture = self.reader.read(frame, name="frame")
            name = session or self.streams.start()
            stream, turn = self.streams.get(name)
            with turn:
                step = stream.offer(picture)
                answer = {"session": name, **_step_document(step)}
                if step.done or finish:
                    answer["result"] = _answer(stream.result(), report=report)
                    self.streams.end(name)
        return answer

    def health(self) -> Document:
        """Return whether the check can be used, with versions, memory and models.

        ``status`` is ``loading`` until every model is open, then ``ok``.
        """
        status = self._screener.status()
        loading = any(model["status"] != "ready" for model in status["models"].values())
        return {
            "status": "loading" if loading else "ok",
            "version": engine.__version__,
            "gradio": gradio.__version__,
            **status,
            "requests": {
                "inside": self.admission.inside,
                "capacity": self.admission.capacity,
            },
        }

    def _judged(self, pictures: Sequence[NDArray[np.uint8]], *, report: bool) -> Document:
        # Somebody will look at these heat maps, so they have to earn their place.
        screening = self._screener.screen(pictures, heat_maps=HeatMaps(tested=True))
        return _answer(screening, report=report)


def _answer(screening: Screening, *, report: bool) -> Document:
    document = documents.screening_json(screening, previews=True)
    for name, finding in (("left_eye", screening.left), ("right_eye", screening.right)):
        _add_what_the_page_draws(document[name], finding)
    if report:
        document["report"] = report_html(screening)
    return document


def _add_what_the_page_draws(eye: Document, finding: EyeFinding | None) -> None:
    """Add the heat as a clear layer of its own, and measures by the names that people read."""
    heat = finding.heat_map if finding else None
    if eye.get("heat_map") and heat is not None and heat.verdict != "not shown":
        eye["heat_map"]["layer"] = _layer_uri(overlays.heat_layer(heat.values, 1.0))
    for measure in eye.get("quality", {}).get("measures", ()):
        measure["title"] = wording.measure_title(measure["name"])


def _layer_uri(layer: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(layer).save(file, "PNG")  # (H, W, 4) is RGBA to Pillow
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _step_document(step: Step) -> Document:
    return {
        "face": documents.box_json(step.face) if step.face else None,
        "eyes": {side: documents.box_json(box) for side, box in step.eyes.items()},
        "coach": step.coach,
        "progress": dict(step.progress),
        "needed": step.needed,
        "done": step.done,
        "timings_ms": {name: round(value, 1) for name, value in step.timings_ms.items()},
    }

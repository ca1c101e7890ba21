# ruff: noqa: D406, D407, D417 – Gradio reads its documentation from this style of docstring
"""Gradio's endpoints of the eye check: names, types and texts that its documentation is made of.

Each is one typed function behind the page, ``gradio_client``, curl and agents alike. What may be
sent is checked at the door (:mod:`ui_gradio.gate`), before an event takes a place in the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

import gradio as gr
from gradio.events import api

from api.problems import problem_of
from ui_gradio.eyes.requests import FrameDict, ImageDict
from ui_gradio.eyes.service import EyeService

__all__ = ["add_endpoints"]

CPU = "cpu"
"""Heavy endpoints share these work places."""


def add_endpoints(service: EyeService) -> None:
    """Add the four endpoints to the Gradio page that is being built."""

    def predict(frames: list[FrameDict], report: bool = False) -> dict[str, Any]:
        """Check both eyes of a person in one or several webcam frames.

        The best frames that pass the quality checks are averaged for each eye. Left and right are
        the person's own. A frame's "score" (of a face detector), "blur" and "box" ({"x", "y", "w",
        "h"} of the face in pixels) are accepted, and measured anew. A research demonstrator, not a
        medical device.

        Parameters:
            frames: Each {"image": data URI, "score", "blur", "box"}; only "image" is needed.
            report: Whether to add a one-page HTML report under "report".

        Returns:
            {"status_code": 200, "body": {"left_eye": EYE, "right_eye": EYE, …}}, EYE as in /upload.
        """
        return _told(lambda: service.predict(frames, report=report))

    def upload(image: str | ImageDict, report: bool = False) -> dict[str, Any]:
        """Check the eyes in one picture: a face, or a close-up of one eye.

        Each EYE has "average_scores" in percent, "best_prediction", "decision" (likely, uncertain,
        retake, not_an_eye), "prediction_set", "reasons", "next_steps", "quality", and the pictures
        "image_preview" and "grad_cam_preview". An eye that is not there is {"best_prediction": "Not
        Detected"}. A close-up that does not tell its side is in "left_eye". A research
        demonstrator, not a medical device.

        Parameters:
            image: The picture as a data URI, as {"url": data URI}, or as an uploaded file.
            report: Whether to add a one-page HTML report under "report".

        Returns:
            {"left_eye": EYE, "right_eye": EYE, …}
        """
        return _told(lambda: service.upload(image, report=report))

    def screen_frame(
        frame: str | ImageDict, session: str = "", finish: bool = False, report: bool = False
    ) -> dict[str, Any]:
        """Look at the next frame of a webcam and say how to sit; ends with the result by itself.

        Leave "session" empty for the first frame and send the answer's "session" with the next.
        Each answer has boxes of "face" and "eyes" ({"x", "y", "w", "h"} in pixels of the frame),
        what to do in "coach", and "progress", the good frames of each eye, of "needed". The last
        one has the "result". A stream is forgotten when no frame came for 30 seconds.

        Parameters:
            frame: The frame as a data URI, not mirrored; 640×480 is plenty.
            session: Name of the stream, from the answer to its first frame.
            finish: Whether to judge now with the frames collected so far.
            report: Whether to add a one-page HTML report to the result.

        Returns:
            {"session", "face", "eyes", "coach", "progress", "needed", "done", …}
        """
        return _told(
            lambda: service.screen_frame(frame, session=session, finish=finish, report=report)
        )

    def health() -> dict[str, Any]:
        """Say whether the eye check can be used, with versions, memory and models."""
        return _told(service.health)

    places = service.admission.work_places
    for function in (predict, upload, screen_frame):
        api(
            _with_resolved_types(function),
            api_name=function.__name__,
            concurrency_id=CPU,
            concurrency_limit=places,
        )
    api(_with_resolved_types(health), api_name="health", concurrency_limit=places)


def _told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``work`` gives; its errors leave as a sentence with the code as title."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 – problem_of logs what it does not know
        problem = problem_of(error)
        raise gr.Error(problem.message, title=problem.code, print_exception=False) from None


def _with_resolved_types(function: Callable[..., Any]) -> Callable[..., Any]:
    # Gradio reads the return annotation without resolving it from text.
    function.__annotations__ = get_type_hints(function)
    return function

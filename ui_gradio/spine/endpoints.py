# ruff: noqa: D406, D407, D417 – Gradio reads its documentation from this style of docstring
"""Gradio's endpoints of the vertebra finder: names, types and texts of its documentation.

Each is one typed function behind the page, ``gradio_client``, curl and agents alike. What may be
sent is checked at the door (:mod:`ui_gradio.gate`), before an event takes a place in the queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, get_type_hints

import gradio as gr
from gradio.events import api

from api.problems import problem_of
from engine.spine.segmenters import Backend, Task
from ui_gradio.spine.requests import FileDict, upload_names, wish_of
from ui_gradio.spine.service import Document, SpineService

__all__ = ["add_endpoints"]


def add_endpoints(service: SpineService) -> None:
    """Add the four endpoints to the Gradio page that is being built."""

    async def detect_vertebrae(
        files: list[FileDict | str] | FileDict | str,
        backend: Backend = "embedded",
        task: Task = "total_fast",
        transitional: bool = True,
    ) -> AsyncIterator[Document]:
        """Find and name the vertebrae in a CT, and say whether the names can be trusted.

        Yields {"status": "queued" or "running", "progress": 0..1, "step", "text", "elapsed_s",
        "remaining_s"} while it works and the result last. Leaving before that cancels the run.
        "center" and "bounds" are voxels {"x", "y", "z"} of the uploaded array, "center_mm" and
        "bounds_mm" patient millimetres in RAS+. "files" are addresses on this server from which
        the result can be fetched for some minutes. A research demonstrator, not a medical device.

        Parameters:
            files: The uploaded CT: one NIfTI, NRRD, MHA or ZIP, or the files of a DICOM series.
            backend: "embedded" is always there; "nnunet" and "totalsegmentator" need weights.
            task: Weights of the last two: "total_fast" (3 mm), "total" or "vertebrae_pp" (1.5 mm).
            transitional: Whether to consider T13, L6, and spines with a vertebra less or more.

        Returns:
            {"success": true, "vertebrae": [{"label", "center", "confidence", "bounds", …}],
            "audit", "processing_time_ms", "files", …}
        """
        wish = wish_of({"backend": backend, "task": task, "transitional": transitional})
        async for document in _told(service.detect(upload_names(files), wish)):
            yield document

    async def models_status() -> Document:
        """Say which weights of the optional backends are there, how large they are, and where."""
        try:
            return await service.models_status()
        except Exception as error:  # noqa: BLE001 – _shown logs what it does not know
            raise _shown(error) from None

    async def download_model(name: str) -> AsyncIterator[Document]:
        """Download the weights of a model, telling how far it is; stops when the caller leaves.

        What has arrived is kept, and the next download continues there.

        Parameters:
            name: A name of /models_status, such as "total_fast"; "vertebrae" means the same.

        Returns:
            {"status", "progress": 0..1, "downloaded_mb", "total_mb"}; "complete" comes last.
        """
        async for document in _told(service.download(name)):
            yield document
            if document.get("status") == "failed":
                problem = document.get("error", {})
                raise gr.Error(
                    problem.get("message", "The download failed; try again."),
                    title=problem.get("code", "error"),
                    print_exception=False,
                )

    async def health() -> Document:
        """Say whether vertebrae can be found, with versions, memory, models and the line."""
        try:
            return await service.health()
        except Exception as error:  # noqa: BLE001 – _shown logs what it does not know
            raise _shown(error) from None

    places = service.settings.queue_size
    for function in (detect_vertebrae, models_status, download_model, health):
        # Waiting costs nothing here, so nobody waits in Gradio's queue: the runner has the line.
        api(
            _with_resolved_types(function),
            api_name=function.__name__,
            concurrency_id=function.__name__,
            concurrency_limit=places,
        )


async def _told(documents: AsyncIterator[Document]) -> AsyncIterator[Document]:
    """Yield ``documents``; an error leaves as a sentence with the code as title."""
    try:
        async with aclosing(documents):  # type: ignore[type-var]
            async for document in documents:
                yield document
    except Exception as error:  # noqa: BLE001 – _shown logs what it does not know
        raise _shown(error) from None


def _shown(error: Exception) -> gr.Error:
    problem = problem_of(error)
    return gr.Error(problem.message, title=problem.code, print_exception=False)


def _with_resolved_types(function: Callable[..., Any]) -> Callable[..., Any]:
    # Gradio reads the return annotation without resolving it from text, and knows no iterators.
    function.__annotations__ = {**get_type_hints(function), "return": dict[str, Any]}
    return function

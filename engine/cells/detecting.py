"""One question for all detectors: which cells are in this picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import numpy as np
from numpy.typing import NDArray

from engine.cells.detectors import Backend, CellDetector
from engine.cells.results import CellsFound
from engine.errors import RequestError
from engine.shipped import shipped

if TYPE_CHECKING:
    from engine.cells.classical.parameters import Parameters as ClassicalParameters
    from engine.cells.network.detector import NetworkDetector
    from engine.cells.network.parameters import Parameters as NetworkParameters
    from engine.settings import Precision, Settings

__all__ = [
    "BACKENDS",
    "backend_of",
    "detect",
    "limits_of",
    "open_detector",
    "parameters_of",
]

BACKENDS: Final[tuple[Backend, ...]] = get_args(Backend)


def detect(
    picture: NDArray[np.uint8],
    backend: Backend = "network",
    parameters: Mapping[str, float] | None = None,
    *,
    settings: Settings | None = None,
) -> CellsFound:
    """Return the cells of ``(H, W, 3) uint8`` RGB, most certain first, in pixels of the picture.

    ``parameters`` are values by name, those of :func:`limits_of`; what is not named keeps its
    default.

    Raises
    ------
    PictureError
        When the array is no such picture.
    RequestError
        When a backend or parameter does not exist, or a value is outside its limits.
    MissingBackendError
        When the network is not installed.
    """
    return open_detector(backend, parameters, settings=settings).detect(picture)


def open_detector(
    backend: Backend = "network",
    parameters: Mapping[str, float] | None = None,
    *,
    settings: Settings | None = None,
) -> CellDetector:
    """Return a detector with these parameters; the network's file is read once per process.

    Raises
    ------
    RequestError, MissingBackendError
        As :func:`detect`.
    """
    if backend_of(backend) == "opencv":
        from engine.cells.classical.detector import ClassicalDetector

        return ClassicalDetector(_classical(parameters or {}))
    given = _network(parameters or {})
    threads, precision = (settings.threads, settings.precision) if settings else (0, "auto")
    return _opened(shipped("models", "cells"), threads, precision).having(given)


def backend_of(text: str) -> Backend:
    """Return the backend of that name.

    Raises
    ------
    RequestError
        When there is none.
    """
    for backend in BACKENDS:
        if text == backend:
            return backend
    raise RequestError(f"'backend' must be one of {', '.join(BACKENDS)}, but is {text[:40]!r}.")


def parameters_of(backend: Backend, given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return all parameters of a backend by name: those given, and the defaults.

    Raises
    ------
    RequestError
        When a name is unknown or a value outside its limits.
    """
    chosen = given or {}
    if backend_of(backend) == "opencv":
        return _classical(chosen).as_dict()
    return _network(chosen).as_dict()


def limits_of(backend: Backend) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest value of each parameter."""
    if backend_of(backend) == "opencv":
        from engine.cells.classical.parameters import LIMITS as CLASSICAL

        return dict(CLASSICAL)
    from engine.cells.network.parameters import LIMITS as NETWORK

    return dict(NETWORK)


def _classical(given: Mapping[str, float]) -> ClassicalParameters:
    from engine.cells.classical.parameters import LIMITS, Parameters

    _require_known(given, LIMITS)
    return Parameters(**given)


def _network(given: Mapping[str, float]) -> NetworkParameters:
    from engine.cells.network.parameters import LIMITS, Parameters

    _require_known(given, LIMITS)
    return Parameters(**given)


def _require_known(given: Mapping[str, float], limits: Mapping[str, object]) -> None:
    for name in given:
        if name not in limits:
            raise RequestError(
                f"{str(name)[:40]!r} is no parameter of this detector; there are "
                f"{', '.join(limits)}."
            )


@lru_cache(maxsize=2)
def _opened(folder: Path, threads: int, precision: Precision) -> NetworkDetector:
    from engine.cells.network.detector import NetworkDetector

    return NetworkDetector(folder, threads=threads, precision=precision)

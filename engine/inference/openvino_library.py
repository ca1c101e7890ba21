"""The one place that imports OpenVINO, with its usage reports switched off.

``import openvino`` sends an event to an analytics service and writes a client id into the home
folder, unless the package ``openvino_telemetry`` cannot be imported: then OpenVINO uses its own
stub, which does nothing. So that package is made unimportable before OpenVINO is loaded.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from types import ModuleType

from engine.errors import MissingBackendError

__all__ = ["is_installed", "load_openvino"]

_TELEMETRY = "openvino_telemetry"
_log = logging.getLogger(__name__)
_loading = threading.Lock()


def is_installed() -> bool:
    """Tell whether OpenVINO can be imported, without importing it."""
    return "openvino" in sys.modules or importlib.util.find_spec("openvino") is not None


def load_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry and return the module.

    The telemetry package stays unimportable in this process, because OpenVINO's converter asks
    for it again later.

    Raises
    ------
    MissingBackendError
        When OpenVINO is not installed.
    """
    with _loading:
        if "openvino" in sys.modules and isinstance(sys.modules.get(_TELEMETRY), ModuleType):
            _log.warning(
                "OpenVINO was imported elsewhere before Lightbox could switch its telemetry off."
            )
        # None makes the import system raise ModuleNotFoundError for the name.
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # documented use of sys.modules
        try:
            import openvino
        except ImportError as error:
            raise MissingBackendError(
                f"Running OpenVINO and ONNX models needs the package 'openvino', which cannot be "
                f"imported ({error}); install it with: pip install 'openvino>=2026.2'."
            ) from error
        module: ModuleType = openvino
        return module

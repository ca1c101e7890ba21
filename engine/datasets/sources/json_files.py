"""JSON documents of an upload, read with a limit."""

from __future__ import annotations

import json
from typing import Any, Final

from engine.datasets.opening import Opened
from engine.errors import TooLargeError

__all__ = ["read_json"]

_LARGEST: Final = 500_000_000


def read_json(opened: Opened, name: str) -> Any:  # noqa: ANN401 – JSON
    """Return the document in a file, ``None`` when it is none.

    Raises
    ------
    TooLargeError
        For more than 500 MB.
    DatasetError
        When the file is damaged in its archive.
    """
    if opened.sizes[name] > _LARGEST:
        raise TooLargeError(
            f"{name} has {opened.sizes[name] / 1e6:,.0f} MB, but a list of labels has at most "
            f"{_LARGEST / 1e6:,.0f} MB."
        )
    try:
        return json.loads(opened.read(name))
    except (ValueError, RecursionError):
        return None

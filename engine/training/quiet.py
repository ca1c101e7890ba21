"""Torch without the warnings of its own parts about each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["torch_quiet"]


@contextmanager
def torch_quiet() -> Iterator[None]:
    """Silence warnings that come from inside of libraries, which no user can act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield

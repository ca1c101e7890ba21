"""Gradio's tools for agents, let through our own door."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Final, final

from api.inside import inside_headers

__all__ = ["are_offered", "introduce_agents"]

_NAME: Final = "Client"


def are_offered() -> bool:
    """Return whether the extra for agents is installed."""
    return find_spec("mcp") is not None


def introduce_agents() -> None:
    """Let the client through which Gradio's agent server asks its own pages say that it is ours.

    It has no place for more headers; without them it could not read a page's configuration where
    people sign in. A second call changes nothing.
    """
    module = import_module("gradio.mcp")
    plain = getattr(module, _NAME)
    if not isinstance(plain, _Introduced):
        setattr(module, _NAME, _Introduced(plain))


@final
class _Introduced:
    """Makes the same client with our word in its headers."""

    def __init__(self, plain: Callable[..., object]) -> None:
        self._plain = plain

    def __call__(self, source: str, *, headers: dict[str, str], **options: object) -> object:
        return self._plain(source, headers={**headers, **inside_headers()}, **options)

"""What a process of a foreign library is cut off from: the network, and life without its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

__all__ = ["adopt_orphans", "attempts", "close_network", "die_with_parent"]

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")

_attempts: list[str] = []
_state = {"closed": False}


def close_network() -> None:
    """Refuse every connection to another machine, and to this one by address, from now on.

    Python's audit events are raised below all libraries and cannot be taken back. Pipes and local
    sockets between the processes of one program stay.
    """
    if not _state["closed"]:
        _state["closed"] = True
        sys.addaudithook(_refuse)


def attempts() -> tuple[str, ...]:
    """Return what was refused so far."""
    return tuple(_attempts)


def die_with_parent() -> None:
    """Let the kernel end this process when the thread that started it ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose own parent ended, so that they can be reaped."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _refuse(event: str, values: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event in _LOOKUPS:
        target = values[0]
    elif event in _CALLS and isinstance(values[-1], tuple):  # a local socket's is a path
        target = values[-1][0]
    else:
        return
    _attempts.append(f"{event} {target}")
    raise PermissionError(f"The network is closed in this process, but {event} was called.")


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

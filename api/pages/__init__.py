"""The plain pages of the door: sign in, sign out, register, password. No scripts, all local."""

from __future__ import annotations

__all__: list[str] = []

"""The pieces of the patients page: list, one patient, samples, sending pictures, findings."""

from __future__ import annotations

__all__: list[str] = []

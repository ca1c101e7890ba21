"""The eye check: from pictures of a person to one careful answer for each eye.

Importing this package loads nothing heavy. Import the module that you need, for example
``from engine.eyes import crops``.
"""

from __future__ import annotations

__all__: list[str] = []

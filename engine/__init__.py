"""The Lightbox engine: everything that computes or remembers, and no user interface.

Importing this package loads nothing heavy; import the area you need, for example
``from engine import eyes``.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"

"""How the shipped anatomy network was made: rendered eyes, a small network, one command.

``python -m engine.eyes.anatomy_recipe --out DIR`` renders, trains, measures and exports. No
photograph takes part in training.
"""

from __future__ import annotations

__all__: list[str] = []

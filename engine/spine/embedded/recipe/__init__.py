"""How the embedded network was made: drawn patients, a small network, one command.

``python -m engine.spine.embedded.recipe --out DIR`` draws, trains, measures and exports. No CT of
a person takes part in training.
"""

from __future__ import annotations

__all__: list[str] = []

"""Heat maps that show where a network looked, and checks of whether they may be believed.

Knows arrays and callables only: no model files, no runtime, no eyes. Importing this package
loads nothing heavy; ``engine.gradcam.hooks`` loads torch.
"""

from __future__ import annotations

__all__: list[str] = []

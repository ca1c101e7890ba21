"""How the shipped eye model is made: ``python -m engine.eyes.recipe --data DIR --out DIR``.

Order of reading: :mod:`~engine.eyes.recipe.samples` (what is learned from),
:mod:`~engine.eyes.recipe.augmentation` (what is hidden from the network),
:mod:`~engine.eyes.recipe.network`, :mod:`~engine.eyes.recipe.training`,
:mod:`~engine.eyes.recipe.validation` (grouped folds, nested calibration) and
:mod:`~engine.eyes.recipe.shipping` (export and card). Needs torch; the serving path never imports
this package.
"""

from __future__ import annotations

__all__: list[str] = []

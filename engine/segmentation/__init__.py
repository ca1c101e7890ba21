"""Segmentation: a class for every pixel – what a model answers, what it is worth, how it is kept.

:mod:`.normalising` is shared by training and answering, :mod:`.segmenter` opens a model folder and
answers, :mod:`.results` is what it says, :mod:`.measuring`, :mod:`.exports`, :mod:`.drawing` and
:mod:`.explaining` make use of it, :mod:`.scoring` compares it with the truth. Importing this
package loads nothing heavy, and answering never loads torch.
"""

from __future__ import annotations

__all__: list[str] = []

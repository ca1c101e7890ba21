"""A package called ``totalsegmentator`` that does what a test tells it, in a fraction of a second.

The real one takes ten seconds and cannot be told to fail. Torch and nnU-Net are stood in for, too,
because the worker imports them first.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

__all__ = ["GOOD", "write_stand_in"]

GOOD = """
import nibabel, numpy
from nnunetv2.inference import predict_from_raw_data as prediction
bar = prediction.tqdm(desc=None, total=2, disable=True)
bar.update(); bar.update()
labels = numpy.zeros(image.shape, numpy.uint8)
labels[1:3, 1:3, 1:3] = 27  # L5
return nibabel.nifti1.Nifti1Image(labels, image.affine)
"""
"""What a run does that goes well: two tiles, and some voxels of L5."""

_FILES = {
    "torch/__init__.py": "from torch import cuda\ndef set_num_threads(count): pass\n",
    "torch/cuda.py": "def is_available(): return False\n",
    "nnunetv2/__init__.py": "",
    "nnunetv2/inference/__init__.py": "",
    "nnunetv2/inference/predict_from_raw_data.py": """
class tqdm:
    def __init__(self, *args, **options): pass
    def update(self, n=1): raise AssertionError("the bar was not replaced")
""",
    "totalsegmentator/__init__.py": "",
    "totalsegmentator/nnunet.py": "",
    "totalsegmentator/config.py": "def get_version(): return '0.0-test'\n",
    "totalsegmentator/map_to_binary.py": """
names = ["S1"] + [f"L{n}" for n in range(5, 0, -1)] + [f"T{n}" for n in range(12, 0, -1)]
names += [f"C{n}" for n in range(7, 0, -1)]
total = {26 + n: f"vertebrae_{name}" for n, name in enumerate(names)}
class_map = {"total": {5: "liver", 25: "sacrum", **total}}
""",
}


def write_stand_in(folder: Path, body: str = GOOD) -> Path:
    """Write the packages below ``folder`` (for PYTHONPATH); ``body`` has ``image``, ``options``."""
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    code = "import os, sys, time, signal, subprocess\n"
    code += "def totalsegmentator(image, output, **options):\n" + textwrap.indent(body, "    ")
    (folder / "totalsegmentator" / "python_api.py").write_text(code, encoding="utf-8")
    return folder

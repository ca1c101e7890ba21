"""The process that decodes compressed slices, so that a damaged one cannot end the server.

Decoders for JPEG 2000, JPEG-LS and lossless JPEG are native libraries; damaged or hostile streams
made one of them crash (measured with python-gdcm 3.2.6). Reads requests on standard input and
answers on standard output: ``F`` size bytes is a DICOM file, ``I`` index asks for a frame.
"""

from __future__ import annotations

import io
import struct
import sys
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

from engine.imaging.volume_files.deidentification import quiet_pydicom

__all__ = ["ANSWER", "REQUEST", "main"]

REQUEST = struct.Struct(">cQ")
"""Kind of the request (F, I) and its size or index."""

ANSWER = struct.Struct(">cccIIQ")
"""D(one) or E(rror), kind and width of numbers, rows, columns, bytes that follow."""


def main() -> None:
    """Answer requests until the input ends."""
    quiet_pydicom()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    dataset = Dataset()
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        kind, number = REQUEST.unpack(head)
        if kind == b"F":
            dataset = pydicom.dcmread(io.BytesIO(source.read(number)), force=True)
        else:
            _answer(dataset, number, target)


def _answer(dataset: Dataset, index: int, target: BinaryIO) -> None:
    try:
        stored = pixel_array(dataset, index=index, raw=True)
        rows, columns = stored.shape
    except Exception:  # noqa: BLE001 – whatever it is, the slice is damaged
        target.write(ANSWER.pack(b"E", b"?", b"0", 0, 0, 0))
    else:
        data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
        kind, width = stored.dtype.kind.encode(), str(stored.dtype.itemsize).encode()
        target.write(ANSWER.pack(b"D", kind, width, rows, columns, len(data)))
        target.write(data)
    target.flush()

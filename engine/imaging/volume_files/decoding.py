"""Frames of DICOM files to stored numbers, in order; compressed ones in processes of their own.

Two slices are decoded at once where there are processors; only a few are held.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from types import TracebackType
from typing import Self, final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from engine.imaging.volume_files.decoding_process import ANSWER, REQUEST
from engine.imaging.volume_files.dicom_headers import BROKEN_DICOM

__all__ = ["DecodingProcess", "decode_in_order"]

_TIMEOUT_S = 60.0  # a slice takes a tenth of a second
_MAX_PROCESSES = 4
_FEW = 8  # slices for which a second process is not worth its start
_ROOT = Path(__file__).parents[3]


@final
class DecodingProcess:
    """One process that decodes frames; a context manager, so that none is ever left behind."""

    def __init__(self) -> None:
        # By path, so that the very code that runs here runs there.
        code = (
            f"import sys; sys.path.insert(0, {str(_ROOT)!r})\n"
            "from engine.imaging.volume_files.decoding_process import main; main()"
        )
        self._process = subprocess.Popen(  # noqa: S603 – our own interpreter and code
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders quote what they read
        )
        self._loaded: Dataset | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def decode(self, dataset: Dataset, index: int) -> NDArray[np.generic] | None:
        """Return a frame as stored, ``(rows, columns)``; None when it cannot be decoded."""
        timer = Timer(_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            return self._asked(dataset, index)
        except BROKEN_DICOM:  # it crashed, or was ended because it took too long
            return None
        finally:
            timer.cancel()

    def _asked(self, dataset: Dataset, index: int) -> NDArray[np.generic] | None:
        source, target = self._process.stdout, self._process.stdin
        assert source is not None
        assert target is not None
        if self._loaded is not dataset:
            stream = io.BytesIO()
            dataset.save_as(stream, enforce_file_format=False)
            target.write(REQUEST.pack(b"F", stream.tell()) + stream.getvalue())
            self._loaded = dataset
        target.write(REQUEST.pack(b"I", index))
        target.flush()
        head = source.read(ANSWER.size)
        if len(head) < ANSWER.size:
            return None
        done, kind, width, rows, columns, size = ANSWER.unpack(head)
        if done != b"D":
            return None
        data = source.read(size)
        if len(data) < size:
            return None
        stored = np.frombuffer(data, np.dtype(f"<{kind.decode()}{width.decode()}"))
        return stored.reshape(rows, columns)


def decode_in_order(
    frames: Iterable[tuple[Dataset, int]], *, count: int
) -> Generator[NDArray[np.generic] | None]:
    """Yield the frames (file, index) decoded, in order; None for one that cannot be."""
    processes = min(_MAX_PROCESSES, os.cpu_count() or 1, 1 + count // _FEW)
    free: SimpleQueue[DecodingProcess] = SimpleQueue()
    made = [DecodingProcess() for _ in range(processes)]

    def decoded(dataset: Dataset, index: int) -> NDArray[np.generic] | None:
        process = free.get()
        try:
            return process.decode(dataset, index)
        finally:
            free.put(process)

    pool = ThreadPoolExecutor(processes)
    waiting: deque[Future[NDArray[np.generic] | None]] = deque()
    try:
        for process in made:
            free.put(process)
        for dataset, index in frames:
            waiting.append(pool.submit(decoded, dataset, index))
            if len(waiting) > processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for process in made:
            process.__exit__(None, None, None)
        pool.shutdown(wait=True, cancel_futures=True)

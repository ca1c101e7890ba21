"""The real worker process with oracles for backends, some of which misbehave.

``embedded`` answers; ``nnunet`` starts a child and then never comes to an end; of
``totalsegmentator`` the task says what happens: ``total_fast`` is killed by the system,
``total`` fails by a bug, ``vertebrae_pp`` leaves by ``sys.exit`` after printing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from engine.imaging.volumes import Volume
from engine.spine import backends, worker
from engine.spine.segmenters import Progress, RunWatch, Segmentation
from tests.engine.spine.oracle import OracleSegmenter


class Endless(OracleSegmenter):
    """Starts a child, says so, and waits for ever."""

    name = "nnunet"

    def segment(self, _: Volume, watch: RunWatch) -> Segmentation:
        """Never return."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        watch.on_progress(Progress(step="network", done=0.5, text=f"Child {child.pid}"))
        while True:
            time.sleep(1)


class Failing(OracleSegmenter):
    """Fails as its task says."""

    name = "totalsegmentator"

    def __init__(self, _settings: object, task: str) -> None:
        super().__init__()
        self._task = task

    def segment(self, _: Volume, watch: RunWatch) -> Segmentation:
        """Fail."""
        watch.on_progress(Progress(step="network", done=0.2, text="Patch 1 of 5"))
        if self._task == "total_fast":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._task == "vertebrae_pp":
            sys.stdout.write('{"event": "done"}\n')  # as libraries print: this is no event
            sys.exit("no licence for JOHN DOE")
        raise KeyError("JOHN DOE")


if __name__ == "__main__":
    kinds = {"embedded": OracleSegmenter, "nnunet": Endless, "totalsegmentator": Failing}
    for kind in kinds.values():
        setattr(sys.modules[__name__], kind.__name__, kind)
    backends._HOMES = {name: ("__main__", kind.__name__) for name, kind in kinds.items()}
    worker.main()
    os._exit(0)

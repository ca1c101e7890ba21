"""The server as a whole: time to the first health answer, memory, and sixteen callers at once.

``python -m benchmarks.serving [--seconds N] [--callers N]``

Each caller owns one picture, asks for it again and again through ``gradio_client``, and compares
every answer with the one that the command line gives for that picture: an answer mixed up between
callers would show. At the end the queue is flooded and the refusals are counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.server_process import RunningServer, running_server

Answer = tuple[str, tuple[tuple[str, float], ...]]


def pictures(count: int, folder: Path) -> list[Path]:
    """Draw one eye for each caller."""
    from engine.eyes.rendered import render_eye
    from engine.eyes.rendered.truth import CONDITIONS

    paths = []
    for number in range(count):
        condition = CONDITIONS[number % len(CONDITIONS)]
        eye = render_eye(np.random.default_rng(1000 + number), condition=condition)
        path = folder / f"caller{number}.png"
        Image.fromarray(eye.picture).save(path)
        paths.append(path)
    return paths


def digest(answer: dict[str, Any]) -> Answer:
    """Reduce an answer to what must agree: the prediction and the scores to 0.1 percent."""
    eye = answer["left_eye"]
    scores = eye.get("average_scores", {})
    return eye["best_prediction"], tuple((k, round(v, 1)) for k, v in sorted(scores.items()))


def expected(path: Path) -> Answer:
    """Return what the engine answers in this process."""
    from engine.eyes.documents import screening_json
    from engine.eyes.screening import screen
    from engine.imaging import pictures as codec

    return digest(screening_json(screen(codec.decode(path.read_bytes()))))


def load(server: RunningServer, paths: list[Path], *, seconds: float) -> None:
    """Let every caller ask for ``seconds`` and print what happened."""
    from gradio_client import Client, handle_file

    wanted = [expected(path) for path in paths]
    counts: Counter[str] = Counter()
    took: list[float] = []
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        client = Client(f"{server.url}/eyes/", verbose=False)
        while time.monotonic() < end:
            start = time.perf_counter()
            try:
                answer = client.predict(handle_file(str(paths[number])), api_name="/upload")
                outcome = "right" if digest(answer) == wanted[number] else "MIXED UP"
            except Exception as error:  # noqa: BLE001 – a benchmark counts every failure
                outcome = f"ERROR {type(error).__name__}: {error}"[:120]
            with lock:
                counts[outcome] += 1
                took.append(time.perf_counter() - start)

    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(ask, range(len(paths))))
    print(f"{len(paths)} callers for {seconds:.0f} s: {dict(counts)}")
    print(f"answers per second {len(took) / seconds:.1f}, median {statistics.median(took):.2f} s")


def flood(server: RunningServer, path: Path, *, requests: int) -> None:
    """Send far more requests at once than may wait, and count the answers by status."""
    data = path.read_bytes()

    def post(_: int) -> int:
        files = {"file": ("eye.png", data, "image/png")}
        return httpx.post(f"{server.url}/upload", files=files, timeout=60).status_code

    with ThreadPoolExecutor(requests) as pool:
        statuses = Counter(pool.map(post, range(requests)))
    print(f"flood of {requests} at once: {dict(statuses)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--callers", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = pictures(options.callers, Path(folder))
        with running_server() as server:
            print(f"first /health after {server.started_s:.1f} s")
            with paths[0].open("rb") as file:
                httpx.post(f"{server.url}/upload", files={"file": file}, timeout=60)
            print(f"memory with the eye model loaded {server.memory_mb():.0f} MB")
            load(server, paths, seconds=options.seconds)
            print(f"memory after the load {server.memory_mb():.0f} MB")
        with running_server(LIGHTBOX_QUEUE_SIZE="8") as server:
            flood(server, paths[0], requests=64)


if __name__ == "__main__":
    main()

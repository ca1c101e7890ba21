"""How fast the same network answers: OpenVINO f32 and bf16 against torch, two threads or more.

Run: ``python -m benchmarks.runtimes [--repeats N]``. MobileNetV3-small with random weights, crops
of 128×144. The variants take turns, so that other load on the machine hits all alike.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from benchmarks.gradcam import HEIGHT, WIDTH, PooledMobileNet, lively_network, open_exported
from engine.errors import MissingBackendError
from engine.inference import cards, runtimes
from engine.inference.processors import usable_cores


def variants(folder: Path) -> dict[str, runtimes.Runtime]:
    """Return the same network opened in each way that this machine has."""
    net = lively_network()
    exported, plain = folder / "openvino", folder / "torch"
    plain.mkdir()
    chosen = open_exported(net, exported)
    print(f"chosen by itself: {chosen.name} {chosen.precision} with {usable_cores()} threads")
    save_file(net.state_dict(), plain / "weights.safetensors")
    document = cards.load(exported).to_json()
    card = cards.ModelCard.from_json(document | {"format": "safetensors", "files": {}})
    cards.write(plain, card)
    ways = {
        "torch f32": (plain, "f32"),
        "torch bf16": (plain, "bf16"),
        "openvino f32": (exported, "f32"),
        "openvino bf16": (exported, "bf16"),
    }
    opened = {}
    for name, (model, precision) in ways.items():
        try:
            opened[name] = runtimes.open_runtime(
                model,
                device="cpu",
                precision=precision,  # type: ignore[arg-type]  # one of the literals above
                architectures={"mobilenet_v3_small": PooledMobileNet},
            )
        except MissingBackendError as error:
            print(f"{name}: {error}")
    return opened


def interleaved_ms(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return times in ms of each call; the first five rounds are not counted."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for index in range(repeats + 5):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if index >= 5:
                times[name].append((time.perf_counter() - start) * 1000)
    return times


def main() -> int:
    """Measure and print one table for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=60)
    repeats = parser.parse_args().repeats
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        opened = variants(Path(folder))
        for count in (1, 2, 8):
            batch = random.normal(size=(count, 3, HEIGHT, WIDTH)).astype(np.float32)
            times = interleaved_ms(
                {name: lambda r=runtime, b=batch: r.run(b) for name, runtime in opened.items()},
                repeats,
            )
            base = statistics.median(times["torch f32"])
            exact = opened["torch f32"].run(batch)["logits"]
            print(f"\nbatch {count}         median      p95   times faster   largest logit change")
            for name, values in times.items():
                middle, slow = statistics.median(values), np.quantile(values, 0.95)
                change = np.abs(opened[name].run(batch)["logits"] - exact).max()
                ratio = base / middle
                print(f"{name:<15}{middle:7.2f} ms{slow:7.2f} ms {ratio:10.1f} {change:20.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

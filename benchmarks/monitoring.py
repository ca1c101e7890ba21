"""What monitoring costs: CPU time of a sample, time of a page refresh, of each document.

Run with ``python -m benchmarks.monitoring``; takes about half a minute. Figures are medians, in
ms, of a home with 1,000 jobs and a full hour of samples.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.inference.timings import TIMINGS
from engine.people.actors import SYSTEM
from engine.settings import Settings
from engine.workbench import Workbench

__all__: list[str] = []


def main() -> None:
    """Print one line for each thing that is measured."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(Settings(home=Path(folder)))
        fill(bench)
        monitor = bench.monitor
        monitor.now()
        sampler = monitor._sampler  # noqa: SLF001 – a sample is taken only by time otherwise
        rows = {
            "sample, CPU": median_ms(sampler.sample, clock=time.thread_time, rest_s=0.06),
            "status document": median_ms(monitor.status),
            "resources, an hour": median_ms(lambda: monitor.resources(minutes=60)),
            "Prometheus text": median_ms(monitor.prometheus),
            "history from the file": median_ms(monitor.history),
        }
        monitor.start()
        time.sleep(6)
        began = time.process_time()
        time.sleep(20)
        rows["all monitoring, CPU for a second"] = 1000 * (time.process_time() - began) / 20
        bench.close()
    for name, value in rows.items():
        print(f"{name:>34}  {value:8.2f} ms")


def fill(bench: Workbench) -> None:
    """Put jobs, samples and runs of models there."""
    job = bench.queue.submit("verify_files", actor=SYSTEM)
    with bench.store.jobs.transaction() as jobs:
        for number in range(1_000):
            jobs.put(replace(job, id=f"job-{number}", state="completed"))
    sample, now = bench.monitor.now(), time.time()
    logs = bench.settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    lines = (replace(sample, at=now - 3590 + 5 * number).to_line() for number in range(717))
    (logs / "monitoring.jsonl").write_text("\n".join(lines) + "\n")
    for number in range(10):
        for _ in range(500):
            TIMINGS.record(f"model {number}", 0.01)


def median_ms(
    work: Callable[[], object],
    *,
    clock: Callable[[], float] = time.perf_counter,
    rest_s: float = 0.0,
) -> float:
    """Return the median of 21 runs after a first one."""
    work()
    times = []
    for _ in range(21):
        time.sleep(rest_s)
        began = clock()
        work()
        times.append(clock() - began)
    return 1000 * statistics.median(times)


if __name__ == "__main__":
    main()

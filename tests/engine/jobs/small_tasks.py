"""Tasks that only tests know: short, and made to be killed, to hang and to eat memory.

They run in real job processes. What they do is told by files in the home, so that a test sees it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine.errors import JobCancelledError, RequestError
from engine.jobs.context import JobContext
from engine.jobs.task import Need, Payload, Task
from engine.settings import Settings


def note(context: JobContext, text: str) -> None:
    """Add a line to HOME/notes-JOB.txt."""
    with (context.settings.home / f"notes-{context.job.id}.txt").open("a") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())


def quick(context: JobContext) -> str:
    note(context, "ran")
    context.report(0.5, "Working", "half")
    context.log("a line for people")
    print("what a library prints")  # noqa: T201 – as a library would
    context.result("image", "abc", "A picture")
    return "All is well."


def count(context: JobContext) -> str:
    """Count to a number, with a checkpoint after each step."""
    saved = context.folder / "done"
    done = int(saved.read_text()) if saved.exists() else 0
    note(context, f"from {done}")
    total = int(context.payload["to"])
    while done < total:
        context.guard_step(what="counting")
        done += 1
        saved.with_suffix(".new").write_text(str(done))
        saved.with_suffix(".new").replace(saved)
        context.report(done / total, "Counting", f"{done} of {total}")
        time.sleep(float(context.payload.get("each_s", 0.05)))
    note(context, f"to {done}")
    return f"Counted to {done}."


def refuse(context: JobContext) -> None:
    raise RequestError("Expected a picture, but it is a poem; send a picture.")


def bug(context: JobContext) -> None:
    secret = {"password": "hunter2"}
    raise KeyError(f"{secret}")


def fill_memory(context: JobContext) -> None:
    context.report(None, "Eating")
    held = []
    for _ in range(int(context.payload["mb"]) // 20):
        held.append(bytearray(os.urandom(1024)) * 20_000)
        time.sleep(0.02)
    time.sleep(30)


def one_gulp(context: JobContext) -> None:
    bytearray(int(context.payload["mb"]) * 1_000_000)


def die(context: JobContext) -> None:
    note(context, "dies")
    os.kill(os.getpid(), signal.SIGKILL)


def freeze(context: JobContext) -> None:
    note(context, f"frozen {context.job.attempts}")
    if context.job.attempts < int(context.payload["until"]):
        os.kill(os.getpid(), signal.SIGSTOP)


def mute(context: JobContext) -> None:
    """Live on and say nothing: a deadlock as its worker sees it."""
    note(context, "mute")
    time.sleep(60)


def stubborn(context: JobContext) -> None:
    """Not hear when told to stop, and have children and grandchildren."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = (
        "import subprocess, sys, time; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
        "start_new_session=True); time.sleep(60)"
    )
    subprocess.Popen([sys.executable, "-c", code])
    time.sleep(0.3)
    note(context, "deaf")
    time.sleep(60)


def tidy(context: JobContext) -> None:
    """Put things in order when told to stop."""
    note(context, "busy")
    try:
        while True:
            context.report(None, "Busy")
            time.sleep(0.02)
    except JobCancelledError:
        note(context, "tidied")
        raise


def any_payload(payload: Payload) -> dict[str, Any]:
    return dict(payload)


def told_need(payload: Payload, settings: Settings) -> Need:
    return Need(memory_mb=float(payload.get("need_mb", 10)), cores=int(payload.get("cores", 1)))


def _task(name: str, **more: Any) -> Task:
    options: dict[str, Any] = {
        "title": name.title(),
        "description": "For tests.",
        "action": "jobs.submit",
        "check": any_payload,
        "forecast": told_need,
        **more,
    }
    return Task(name=name, run=f"tests.engine.jobs.small_tasks:{name}", **options)


SMALL_TASKS = {
    task.name: task
    for task in (
        _task("quick"),
        _task("count", resumable=True),
        _task("refuse"),
        _task("bug"),
        _task("fill_memory", resumable=True),
        _task("one_gulp"),
        _task("die", max_attempts=2),
        _task("freeze", silence_s=600.0),
        _task("mute", silence_s=0.5),
        _task("stubborn"),
        _task("tidy"),
    )
}


def main() -> None:
    """Be a worker that knows these tasks, until standard input ends: as ``lightbox worker``."""
    import logging
    import threading

    from engine.jobs.tasks import TASKS
    from engine.jobs.worker import Worker

    logging.basicConfig(level="INFO", stream=sys.stderr)
    worker = Worker(Settings.from_env(), tasks={**TASKS, **SMALL_TASKS})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())

    def listen() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            continue
        worker.stop()

    threading.Thread(target=listen, daemon=True).start()
    Path(os.environ["LIGHTBOX_HOME"]).joinpath("worker-began").write_text(str(os.getpid()))
    worker.run(until_empty="--until-empty" in sys.argv)


if __name__ == "__main__":
    main()

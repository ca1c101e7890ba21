"""``python -m engine.spine.weights``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from engine.spine.weights.catalogue import model_named
from tests.engine.spine.weights.releases import Release, archive_of, serving

MODEL = model_named("total")


def command(home: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.spine.weights", *arguments],
        env={**os.environ, "LIGHTBOX_HOME": str(home), "LIGHTBOX_WEIGHTS_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_list_download_verify(tmp_path: Path) -> None:
    """A model is listed, downloaded, verified, and a changed byte found."""
    with serving(Release(body=archive_of(MODEL))) as release:
        listed = json.loads(command(tmp_path, release.url).stdout)
        assert listed["total"]["status"] == "not installed"
        loaded = command(tmp_path, release.url, "total")
        assert loaded.returncode == 0
        assert loaded.stdout.splitlines()[-1].startswith("complete 100 %")
        assert command(tmp_path, release.url, "total", "--verify").stdout == (
            "3 files compared, 0 faults\n"
        )
        folder = Path(listed["total"]["path"]) / MODEL.inner_folder
        (folder / "plans.json").write_bytes(b" " * (folder / "plans.json").stat().st_size)
        broken = command(tmp_path, release.url, "total", "--verify")
        assert broken.returncode == 1
        assert "the contents of" in broken.stdout


def test_a_failure_is_the_last_line(tmp_path: Path) -> None:
    """The exit code is 1 and the sentence says why."""
    with serving(Release(body=b"PK nothing")) as release:
        failed = command(tmp_path, release.url, "total")
    assert failed.returncode == 1
    assert failed.stdout.splitlines()[-1].startswith("failed 0 % Expected a whole ZIP")


def test_an_interrupt_keeps_what_came(tmp_path: Path) -> None:
    """Ctrl-C ends a download at once, with a sentence and no traceback."""
    with serving(Release(body=archive_of(MODEL, size=3_000_000), slow_s=0.2)) as release:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.spine.weights", "total"],
            env={
                **os.environ,
                "LIGHTBOX_HOME": str(tmp_path),
                "LIGHTBOX_WEIGHTS_URL": release.url,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("downloading"):
                break
        process.send_signal(signal.SIGINT)
        output, problems = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output.splitlines()[-1].startswith("cancelled")
    assert problems == ""

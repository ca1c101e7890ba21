"""What the documents promise is in the code, and the repository speaks of the project alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import engine
from engine.cli import _parser
from engine.cli.registered import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_begins_with_a_space_card() -> None:
    """A Hugging Face Docker Space reads sdk and port from the README's front matter."""
    front = README.split("---")[1]
    assert re.search(r"^sdk: docker$", front, re.M)
    assert re.search(r"^app_port: 7860$", front, re.M)
    assert re.search(r"^title: Lightbox$", front, re.M)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_is_in_readme_and_parser(command: str) -> None:
    """The README names each command, and the parser knows it."""
    assert f"lightbox {command}" in README
    assert command in _parser().format_help()


@pytest.mark.parametrize("target", ["run", "test", "check"])
def test_make_targets_of_the_readme_exist(target: str) -> None:
    """``make run``, ``make test`` and ``make check`` are documented and exist."""
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_every_linked_file_of_the_readme_exists() -> None:
    """No relative link or picture of the README leads nowhere."""
    links = re.findall(r"\]\((?!https?:|#|mailto:|/)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_benchmark_command_of_the_readme_exists() -> None:
    """A figure in the README has a command, and that command is in the repository."""
    commands = re.findall(r"python -m (benchmarks\.\w+)", README)
    assert commands
    missing = [c for c in commands if not (ROOT / (c.replace(".", "/") + ".py")).exists()]
    assert missing == []


def test_the_version_is_the_same_everywhere() -> None:
    """The package's version is the engine's."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", engine.__version__)


def test_the_image_runs_as_an_ordinary_user_with_a_health_check() -> None:
    """What a Hugging Face Docker Space needs of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    assert "--uid 1000" in text
    assert re.search(r"^USER user$", text, re.M)
    assert re.search(r"^EXPOSE 7860$", text, re.M)
    assert "HEALTHCHECK" in text
    assert "LIGHTBOX_HOST=0.0.0.0" in text


def test_no_machine_path_or_registry_host_is_in_the_repository() -> None:
    """Tracked text names no machine's folders and no registry's host."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    hosts = ["pypi" + ".org", "python" + "hosted", "npm" + "js", "/work" + "/", "/tmp" + "/lb"]
    wrong = []
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".png", ".jpg", ".bin", ".safetensors"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        wrong += [f"{name}: {host}" for host in hosts if host in text]
    assert wrong == []

"""What a release says about its files: size and SHA-256, where it says so.

GitHub's description of a release lists each file with ``size`` and ``digest: "sha256:…"`` (older
files: null). A mirror may have ``<file>.zip.sha256`` beside the file, as ``sha256sum`` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import final

import httpx

from engine.spine.weights.catalogue import WeightsModel
from engine.spine.weights.transfer import Stopped

__all__ = ["Published", "address_of", "published", "sha256_of"]

_GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)/releases/download")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\b")
_MOST_BYTES = 5_000_000
_TIMEOUT_S = 10.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """``sha256`` in small hexadecimal letters, None when none was found; ``where`` says why."""

    sha256: str | None
    where: str


def address_of(model: WeightsModel, base: str) -> str:
    """Return the address of a model's archive below ``LIGHTBOX_WEIGHTS_URL``."""
    return f"{base}/{model.release}/{model.folder}.zip"


def published(model: WeightsModel, base: str, client: httpx.Client) -> Published:
    """Return what is published about a model's archive; never raises when there is nothing."""
    github = _GITHUB.fullmatch(base)
    if github is None:
        return _beside(f"{address_of(model, base)}.sha256", client)
    owner, repository = github.groups()
    return _in_release(
        f"https://api.github.com/repos/{owner}/{repository}/releases/tags/{model.release}",
        f"{model.folder}.zip",
        client,
    )


def sha256_of(path: Path, stop: Event | None = None) -> Iterator[str | int]:
    """Yield the bytes read so far, now and then, and at last the SHA-256 of a file.

    Raises
    ------
    Stopped
        When ``stop`` was set.
    """
    import hashlib

    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            if stop is not None and stop.is_set():
                raise Stopped
            digest.update(chunk)
            done += len(chunk)
            yield done
    yield digest.hexdigest()


def _in_release(address: str, name: str, client: httpx.Client) -> Published:
    answer = _asked(address, client)
    if answer is None:
        return Published(sha256=None, where="the list of checksums could not be reached")
    try:
        assets = answer.json()["assets"]
        digests = [asset.get("digest") for asset in assets if asset.get("name") == name]
    except (ValueError, KeyError, TypeError, AttributeError):
        return Published(sha256=None, where="the list of checksums could not be read")
    found = _DIGEST.fullmatch(str(digests[0])) if digests else None
    if found is None:
        return Published(sha256=None, where="no checksum published")
    return Published(sha256=found.group(1).lower(), where="the checksum of the release")


def _beside(address: str, client: httpx.Client) -> Published:
    answer = _asked(address, client)
    found = _DIGEST.match(answer.text.strip()) if answer is not None else None
    if found is None:
        return Published(sha256=None, where="no checksum published")
    return Published(sha256=found.group(1).lower(), where="the checksum beside the file")


def _asked(address: str, client: httpx.Client) -> httpx.Response | None:
    """Return a small answer, or None when there is none to be had."""
    try:
        with client.stream("GET", address, timeout=_TIMEOUT_S) as answer:
            if answer.status_code != httpx.codes.OK:
                return None
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    return None
            return httpx.Response(httpx.codes.OK, content=body)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None

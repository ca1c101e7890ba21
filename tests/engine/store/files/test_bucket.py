"""Files in a bucket of a real server process: links, refusals, and a server that goes away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from engine.errors import DamagedFileError, LightboxError, MissingBackendError, RemoteError
from engine.settings import Settings
from engine.store.files import are_remote, open_files
from tests.cloud_server import CloudServer, start_cloud_server, stop_cloud_server

ROOT = Path(__file__).parents[4]
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def bucket_of(settings: Settings) -> str:
    return urlsplit(settings.files_url).netloc


def test_the_object_lies_where_the_setting_says(
    bucket_settings: Settings, cloud: CloudServer
) -> None:
    """Another client finds the bytes below the set folder, with their media type."""
    open_files(bucket_settings).put(b"abc", media_type="text/plain")
    found = cloud.client("s3").get_object(
        Bucket=bucket_of(bucket_settings), Key=f"lightbox/ba/{ABC}"
    )
    assert found["Body"].read() == b"abc"
    assert found["ContentType"] == "text/plain"
    assert are_remote(bucket_settings)


def test_a_link_gives_the_file_to_anybody_for_a_while(bucket_settings: Settings) -> None:
    """A browser without credentials downloads it under the name that we chose."""
    files = open_files(bucket_settings)
    files.put(b"abc", media_type="text/plain")
    link = files.link(ABC, name="Schnitt 3 – größer.png", expires_s=60)
    assert link is not None
    answer = httpx.get(link)
    assert answer.content == b"abc"
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''Schnitt%203%20%E2%80%93%20gr%C3%B6%C3%9Fer.png"
    )
    query = parse_qs(urlsplit(link).query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_no_link_lasts_longer_than_signatures_may(bucket_settings: Settings) -> None:
    """Seven days is the most that signature version 4 allows."""
    files = open_files(bucket_settings)
    files.put(b"abc", media_type="text/plain")
    link = files.link(ABC, name="abc.txt", expires_s=10**9)
    assert link is not None
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["604800"]


def test_links_can_be_switched_off(bucket_settings: Settings) -> None:
    """Where browsers cannot reach the bucket, the server hands files out itself."""
    files = open_files(replace(bucket_settings, files_links=False))
    files.put(b"abc", media_type="text/plain")
    assert files.link(ABC, name="abc.txt") is None


def test_a_changed_object_is_found(bucket_settings: Settings, cloud: CloudServer) -> None:
    """Bytes that somebody else overwrote are not handed on as the file of that name."""
    files = open_files(bucket_settings)
    files.put(b"abc", media_type="text/plain")
    cloud.client("s3").put_object(
        Bucket=bucket_of(bucket_settings), Key=f"lightbox/ba/{ABC}", Body=b"abd"
    )
    assert not files.verify(ABC).ok
    with pytest.raises(DamagedFileError, match="put the same file again"), files.path(ABC):
        pass
    with pytest.raises(DamagedFileError, match="put the same file again"):
        files.read(ABC)
    assert list(files.place.incoming.iterdir()) == []


def test_a_missing_bucket_is_told(bucket_settings: Settings) -> None:
    """A mistyped bucket is a matter of settings, not an empty store."""
    files = open_files(replace(bucket_settings, files_url="s3://no-such-bucket/lightbox"))
    with pytest.raises(RemoteError, match="Expected the bucket of s3://no-such-bucket/lightbox"):
        files.put(b"abc", media_type="text/plain")
    with pytest.raises(RemoteError, match="make it, or correct LIGHTBOX_FILES_URL"):
        list(files.list())


def test_a_server_that_went_away_is_told(bucket_settings: Settings, tmp_path: Path) -> None:
    """Each question ends with a sentence that names the settings, within seconds."""
    (tmp_path / "own").mkdir()
    server = start_cloud_server(tmp_path / "own")
    server.make_bucket("short-lived")
    settings = replace(bucket_settings, files_url="s3://short-lived", aws_endpoint_url=server.url)
    files = open_files(settings)
    files.put(b"abc" * 9_000_000, media_type="text/plain")
    (stored,) = files.list()
    stream = files.open(stored.sha256)
    stream.read(10)
    stop_cloud_server(server)
    begin = time.monotonic()
    stream.seek(20_000_000)
    with pytest.raises(RemoteError, match="check LIGHTBOX_AWS_ENDPOINT_URL"):
        stream.read(10)
    with pytest.raises(RemoteError, match="does not"):
        files.put(b"abc", media_type="text/plain")
    with pytest.raises(RemoteError, match="does not"):
        files.exists(ABC)
    assert time.monotonic() - begin < 60
    assert list(files.place.incoming.iterdir()) == []


def test_refused_credentials_are_told_without_them(
    bucket_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No credentials at all: a sentence, and nothing of a key in it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    files = open_files(bucket_settings)
    with pytest.raises(LightboxError, match="credentials") as caught:
        files.put(b"abc", media_type="text/plain")
    assert "Signature" not in str(caught.value)


def test_the_missing_library_is_named(bucket_settings: Settings) -> None:
    """Without s3fs the sentence says which extra to install."""
    code = """
import importlib.util, os, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "s3fs" else find(name, *more)
from engine.errors import MissingBackendError
from engine.settings import Settings
from engine.store.files import open_files
try:
    open_files(Settings.from_env({"LIGHTBOX_FILES_URL": "s3://bucket"}))
except MissingBackendError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert 'pip install "lightbox-imaging[cloud]"' in result.stdout
    assert MissingBackendError.code == "missing_backend"


def test_memory_does_not_grow_with_the_object(bucket_settings: Settings) -> None:
    """80 MB go to the bucket and come back with less than 60 MB more than the start."""
    code = """
import re, sys
from pathlib import Path
from engine.settings import Settings
from engine.store.files import open_files

def peak_kb():
    return int(re.search(r"VmHWM: *\\t* *([0-9]+)", Path("/proc/self/status").read_text())[1])

class Zeros:
    left = 80
    def read(self, size):
        self.left -= 1
        return bytes(1_000_000) if self.left >= 0 else b""

files = open_files(Settings.from_env())
files.put(b"warm", media_type="text/plain")
list(files.list())
before = peak_kb()
ref = files.put(Zeros(), media_type="application/octet-stream")
sent = peak_kb()
with files.path(ref.sha256) as path:
    assert path.stat().st_size == 80_000_000
print(sent - before, peak_kb() - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={**os.environ, **bucket_settings.as_mapping()},
    )
    sent_kb, whole_kb = map(int, result.stdout.split())
    assert sent_kb < 60_000
    assert whole_kb < 60_000

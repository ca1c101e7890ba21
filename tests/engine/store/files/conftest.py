"""The two places where files may lie, each real: a folder, and a bucket of moto's server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.store.files import Files, open_files
from tests.cloud_server import CREDENTIALS, CloudServer, start_cloud_server, stop_cloud_server


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """One server process for the whole session."""
    server = start_cloud_server(tmp_path_factory.mktemp("cloud"))
    yield server
    stop_cloud_server(server)


@pytest.fixture
def bucket_settings(
    cloud: CloudServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings for a new bucket."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    bucket = cloud.make_bucket(f"test-{abs(hash(tmp_path)):x}")
    return Settings(
        home=tmp_path,
        files_url=f"s3://{bucket}/lightbox",
        aws_endpoint_url=cloud.url,
        aws_region="eu-central-1",
    )


@pytest.fixture(params=["folder", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings for each of the two places."""
    if request.param == "folder":
        return Settings(home=tmp_path)
    found: Settings = request.getfixturevalue("bucket_settings")
    return found


@pytest.fixture
def files(settings: Settings) -> Files:
    """An empty file store, once in each place."""
    return open_files(settings)

"""Where files lie, as settings say it: our names, older names, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.settings import Settings
from engine.store.files import are_remote, open_files


@pytest.mark.parametrize(
    ("name", "value", "address"),
    [
        ("LIGHTBOX_FILES_URL", "s3://our-bucket/some/folder/", "s3://our-bucket/some/folder"),
        ("LIGHTBOX_FILES_URL", "s3://our-bucket", "s3://our-bucket"),
        ("S3_BUCKET_NAME", "our-bucket", "s3://our-bucket"),
        ("S3_BUCKET_NAME", "our.bucket.2", "s3://our.bucket.2"),
    ],
)
def test_a_bucket_is_named_in_both_ways(name: str, value: str, address: str) -> None:
    """``s3://…``, or the bucket's name alone as the older service had it."""
    settings = Settings.from_env({name: value})
    assert settings.files_url == address
    assert are_remote(settings)
    assert open_files(settings).place.address == address
    assert Settings.from_env(settings.as_mapping()).files_url == address


@pytest.mark.parametrize("value", ["/data/files", "file:///data/files", "/data/files/"])
def test_a_folder_is_named_by_its_path(value: str) -> None:
    """With or without ``file://``."""
    settings = Settings.from_env({"LIGHTBOX_FILES_URL": value})
    assert open_files(settings).place.local_path("0" * 64) == Path("/data/files/00", "0" * 64)
    assert not are_remote(settings)


@pytest.mark.parametrize(
    "value",
    [
        *("s3://", "s3://UPPER", "s3://a", "S3://bucket", "gs://bucket", "http://host/x"),
        *("relative/folder", "./files", "s3://bucket/x?versionId=1", "bucket/folder"),
    ],
)
def test_other_addresses_are_refused(value: str) -> None:
    """The sentence names the variable and the forms that are taken."""
    with pytest.raises(SettingsError, match=r"LIGHTBOX_FILES_URL must be s3://BUCKET/FOLDER"):
        Settings.from_env({"LIGHTBOX_FILES_URL": value})


def test_older_names_of_the_cloud_settings_work() -> None:
    """As the cell-annotation service had them."""
    settings = Settings.from_env(
        {
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": "http://minio:9000/",
            "SQS_QUEUE_URL": "http://minio:9324/1/samples",
        }
    )
    assert settings.aws_region == "eu-central-1"
    assert settings.aws_endpoint_url == "http://minio:9000"
    assert settings.sqs_queue_url == "http://minio:9324/1/samples"

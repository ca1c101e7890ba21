"""Amazon's library: missing, without a region, and objects that cannot be had."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import NotFoundError, RemoteError, RequestError, TooLargeError
from engine.jobs.intake.cloud import cloud_client
from engine.jobs.intake.objects import ObjectName, bring_in
from engine.store.files import open_files
from tests.cloud_server import CloudServer
from tests.engine.jobs.intake.conftest import Inbox

ROOT = Path(__file__).parents[4]


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout


def test_the_missing_library_is_named() -> None:
    """The sentence says which extra to install."""
    told = run(
        "import sys; sys.modules['boto3'] = None\n"
        "from engine.errors import MissingBackendError\n"
        "from engine.jobs.intake.queueing import MessageQueue\n"
        "from engine.settings import Settings\n"
        "try: MessageQueue(Settings(sqs_queue_url='https://sqs.example/q'))\n"
        "except MissingBackendError as error: print(error)\n"
    )
    assert 'pip install "lightbox-imaging[cloud]"' in told


def test_importing_the_intake_is_light() -> None:
    """Neither boto3 nor an HTTP client is loaded for a home that has no queue."""
    told = run(
        "import sys, engine.jobs.intake, engine.jobs.tasks\n"
        "engine.jobs.intake.start_intake, engine.jobs.intake.Intake\n"
        "print([n for n in ('boto3', 'botocore', 's3fs', 'cv2', 'httpx') if n in sys.modules])"
    )
    assert told.strip() == "[]"


def test_a_missing_region_is_told(inbox: Inbox) -> None:
    """Amazon's library cannot do without one."""
    with pytest.raises(RemoteError, match=r"NoRegionError.*LIGHTBOX_AWS_REGION"):
        cloud_client(replace(inbox.settings, aws_region="", aws_endpoint_url=""), "sqs")


def test_an_object_is_brought_in_with_its_media_type(inbox: Inbox, cloud: CloudServer) -> None:
    """The bytes lie in our files afterwards; the object stays where it is."""
    bucket = cloud.make_bucket("objects")
    client = cloud.client("s3")
    client.put_object(Bucket=bucket, Key="a/b.png", Body=b"abc", ContentType="image/png")
    files = open_files(inbox.settings)
    ref = bring_in(ObjectName(bucket, "a/b.png"), inbox.settings, files, max_bytes=3)
    assert (ref.size, ref.media_type) == (3, "image/png")
    assert files.read(ref.sha256) == b"abc"
    with pytest.raises(TooLargeError, match="LIGHTBOX_MAX_UPLOAD_MB"):
        bring_in(ObjectName(bucket, "a/b.png"), inbox.settings, files, max_bytes=2)
    with pytest.raises(NotFoundError, match=r"the object s3://objects/none.* there is none"):
        bring_in(ObjectName(bucket, "none"), inbox.settings, files, max_bytes=3)
    with pytest.raises(NotFoundError, match="s3://no-such-bucket-here/k"):
        bring_in(ObjectName("no-such-bucket-here", "k"), inbox.settings, files, max_bytes=3)
    assert len(list(files.list())) == 1


@pytest.mark.parametrize(
    ("bucket", "key"), [("", "k"), ("UP", "k"), ("../x", "k"), ("abc", ""), ("abc", "a\x00b")]
)
def test_names_that_no_object_has_are_refused(bucket: str, key: str) -> None:
    """Before anything is asked."""
    with pytest.raises(RequestError, match=r"Expected the (name of a bucket|key of an object)"):
        ObjectName(bucket, key)

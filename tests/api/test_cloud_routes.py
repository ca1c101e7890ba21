"""Files in S3 and messages of SQS over HTTP, with moto's real server behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.house import House, build_house
from tests.cloud_server import CREDENTIALS, CloudServer, start_cloud_server, stop_cloud_server


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """One server process for this file."""
    server = start_cloud_server(tmp_path_factory.mktemp("cloud"))
    yield server
    stop_cloud_server(server)


@pytest.fixture
def house(cloud: CloudServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose files lie in a bucket and whose work comes from a queue."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    bucket = cloud.make_bucket(f"test-{abs(hash(tmp_path)):x}")
    queue = cloud.client("sqs").create_queue(QueueName=bucket)["QueueUrl"]
    return build_house(
        tmp_path,
        files_url=f"s3://{bucket}/lightbox",
        aws_endpoint_url=cloud.url,
        aws_region="eu-central-1",
        sqs_queue_url=queue,
        sqs_buckets=(bucket,),
    )


def test_a_file_in_s3_is_answered_with_a_link_that_works(house: House) -> None:
    """The redirect is presigned, holds for a minute, and names the file to save."""
    ref = house.workbench.files.put(b"pixels", media_type="image/png")
    address = f"/files/{ref.sha256}?name=a.png"
    assert house.client().get(address).status_code == 401
    answer = house.client().get(address, headers=house.token("ADMIN"))
    assert answer.status_code == 303
    link = answer.headers["location"]
    assert "Expires" in link
    got = httpx.get(link, timeout=30)
    assert got.content == b"pixels"
    assert "a.png" in got.headers["content-disposition"]


def test_a_message_becomes_a_job_when_an_administrator_looks(
    house: House, cloud: CloudServer
) -> None:
    """process-sqs takes the message, status-api tells of the job."""
    bucket = house.settings.sqs_buckets[0]
    cloud.client("s3").put_object(Bucket=bucket, Key="a.png", Body=b"pixels")
    body = json.dumps({"task": "sample_data", "object": f"s3://{bucket}/a.png"})
    cloud.client("sqs").send_message(QueueUrl=house.settings.sqs_queue_url, MessageBody=body)
    client, token = house.client(), house.token("ADMIN")
    refused = client.post("/admin/modelprocessing/process-sqs", headers=house.token("UPLOADER"))
    assert refused.status_code == 403
    told = client.post("/api/v1/admin/modelprocessing/process-sqs", headers=token).json()
    assert (told["status"], told["received"]) == ("ok", 1)
    state = client.get("/admin/modelprocessing/status-api", headers=token).json()
    assert state["intake"]["configured"]

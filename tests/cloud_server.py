"""moto's real server process: S3 and SQS on a free port of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudServer:
    """A running server and how to reach it."""

    url: str
    process: subprocess.Popen[bytes]

    def client(self, service: str) -> Any:
        """Return boto3's own client: what a stranger would use to look from outside."""
        import boto3

        return boto3.client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def make_bucket(self, name: str) -> str:
        """Make a bucket and return its name."""
        self.client("s3").create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        return name


def start_cloud_server(folder: Path) -> CloudServer:
    """Start the server; stop it with :func:`stop_cloud_server`."""
    log = folder / "moto.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=output,
            stderr=output,
            env={**os.environ, **CREDENTIALS},
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text())
        if found:
            return CloudServer(url=found.group(1), process=process)
        time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"moto's server did not start: {log.read_text()}")


def stop_cloud_server(server: CloudServer) -> None:
    """End the process and wait for it."""
    server.process.kill()
    server.process.wait()

"""Amazon's own client library, loaded when it is needed; and what it says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from engine.errors import LightboxError, MissingBackendError, NotFoundError, RemoteError
from engine.settings import Settings

__all__ = ["cloud_client", "telling"]

_MISSING: Final = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound"})


def cloud_client(settings: Settings, service: Literal["s3", "sqs"]) -> Any:  # noqa: ANN401 – boto3 makes its classes at run time
    """Return boto3's client of a service, at our region and endpoint.

    Raises
    ------
    MissingBackendError
        When boto3 is not installed.
    RemoteError
        When it cannot be made, mostly for want of a region.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise MissingBackendError(
            f"Messages from {service.upper()} need boto3, which is not installed; run: "
            'pip install "lightbox-imaging[cloud]", or unset LIGHTBOX_SQS_QUEUE_URL.'
        ) from error
    with telling(f"{service.upper()} to be reached", settings):
        # A session of our own: the default one of boto3 is not safe among threads.
        return boto3.session.Session().client(
            service,
            region_name=settings.aws_region or None,
            endpoint_url=settings.aws_endpoint_url or None,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"max_attempts": 3, "mode": "standard"},
                signature_version="s3v4" if service == "s3" else None,
            ),
        )


@contextmanager
def telling(expected: str, settings: Settings) -> Iterator[None]:
    """Turn what the library raises inside into a sentence that begins "Expected …".

    Raises
    ------
    NotFoundError
        When the service says that there is no such thing.
    RemoteError
        When it does not answer, or refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except LightboxError:
        raise
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "?"))
        if code in _MISSING or "NonExistent" in code:
            raise NotFoundError(f"Expected {expected}, but there is none ({code}).") from error
        raise RemoteError(
            f"Expected {expected}, but the service refuses ({code}); see what these credentials "
            "may do."
        ) from error
    except BotoCoreError as error:
        where = settings.aws_endpoint_url or "Amazon"
        raise RemoteError(
            f"Expected {expected}, but {where} does not answer as it should "
            f"({type(error).__name__}); check LIGHTBOX_AWS_ENDPOINT_URL, LIGHTBOX_AWS_REGION, the "
            "credentials and the network."
        ) from error

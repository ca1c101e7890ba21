"""Objects in S3 that somebody else put there: named, and brought into our own files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, cast, final

from engine.errors import RequestError, TooLargeError
from engine.jobs.intake.cloud import cloud_client, telling
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.store.files import FileRef, Files

__all__ = ["ObjectName", "bring_in"]

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_KEY: Final = 1024
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+")


@final
@dataclass(frozen=True, slots=True)
class ObjectName:
    """A bucket and a key in it.

    Raises
    ------
    RequestError
        When it cannot be the name of an object.
    """

    bucket: str
    key: str

    def __post_init__(self) -> None:
        """Refuse what no object can be called."""
        if not _BUCKET.fullmatch(self.bucket):
            raise RequestError(f"Expected the name of a bucket, but got {self.bucket[:80]!r}.")
        if not 0 < len(self.key.encode()) <= _LONGEST_KEY or not self.key.isprintable():
            raise RequestError("Expected the key of an object: 1 to 1024 printable characters.")

    @classmethod
    def parse(cls, address: str) -> ObjectName:
        """Read ``s3://BUCKET/KEY``.

        Raises
        ------
        RequestError
            When it is something else.
        """
        scheme, _, rest = address.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3":
            raise RequestError(f"Expected s3://BUCKET/KEY, but got {address[:80]!r}.")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def file_name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name or self.key


def bring_in(name: ObjectName, settings: Settings, files: Files, *, max_bytes: int) -> FileRef:
    """Copy an object into our files in constant memory and return its reference.

    Raises
    ------
    NotFoundError
        When there is no such object.
    TooLargeError
        When it has more than ``max_bytes``.
    RemoteError, MissingBackendError
        When S3 does not answer or refuses, or boto3 is not installed.
    """
    client = cloud_client(settings, "s3")
    with telling(f"the object {name}", settings):
        answer = client.get_object(Bucket=name.bucket, Key=name.key)
        with answer["Body"] as body:
            if answer["ContentLength"] > max_bytes:
                raise TooLargeError(
                    f"{name} has {answer['ContentLength'] / 1e6:.1f} MB, but at most "
                    f"{max_bytes / 1e6:.0f} MB are taken (LIGHTBOX_MAX_UPLOAD_MB)."
                )
            stated = str(answer.get("ContentType", ""))
            is_usable = _MEDIA_TYPE.fullmatch(stated) is not None
            media_type = stated if is_usable else "application/octet-stream"
            return files.put(cast("BinaryIO", body), media_type=media_type)

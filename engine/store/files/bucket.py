"""Files in a bucket of S3 or of a service that speaks like it (MinIO, Ceph), through s3fs.

Bytes are spooled to a local file first, because their name is known only at their end; then sent
in parts, so that memory stays the same for any size. One folder of a bucket belongs to one
Lightbox home: the garbage of another's records would be this one's treasure.
"""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import quote

from engine.errors import (
    DiskShortError,
    LightboxError,
    MissingBackendError,
    NotFoundError,
    RemoteError,
)
from engine.settings import Settings
from engine.store.files import names

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["BucketPlace"]

_PART_BYTES: Final = 8 << 20
_PARTS_AT_ONCE: Final = 2
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST_LINK_S: Final = 7 * 24 * 3600  # of signature version 4


@final
class BucketPlace:
    """A folder of a bucket; see :class:`~engine.store.files.places.Place`.

    Raises
    ------
    MissingBackendError
        When s3fs or boto3 is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        if not all(importlib.util.find_spec(name) for name in ("s3fs", "botocore")):
            raise MissingBackendError(
                f"Files at {settings.files_url} need s3fs, which is not installed; "
                'run: pip install "lightbox-imaging[cloud]", or unset LIGHTBOX_FILES_URL.'
            )
        self._settings = settings

    @cached_property
    def filesystem(self) -> AbstractFileSystem:
        """s3fs with our region, endpoint and patience; it finds the credentials itself."""
        import s3fs

        settings = self._settings
        return s3fs.S3FileSystem(
            endpoint_url=settings.aws_endpoint_url or None,
            client_kwargs={"region_name": settings.aws_region} if settings.aws_region else {},
            config_kwargs={
                "signature_version": "s3v4",
                "connect_timeout": 5,
                "read_timeout": 60,
                "retries": {"max_attempts": 3, "mode": "standard"},
            },
            default_block_size=_PART_BYTES,
            use_listings_cache=False,  # other processes write too
            skip_instance_cache=True,
        )

    @property
    def root(self) -> str:
        """Bucket and folder, without ``s3://``."""
        return self._settings.files_url.removeprefix("s3://")

    @property
    def incoming(self) -> Path:
        """A folder of this machine for bytes on their way in or out."""
        return self._settings.temp_folder / "files"

    @property
    def address(self) -> str:
        """The bucket's address as it was set."""
        return self._settings.files_url

    def keep(self, spooled: Path, sha256: str, media_type: str) -> None:
        """Send ``spooled`` in parts and see that all of it arrived."""
        size = spooled.stat().st_size
        self.filesystem.put_file(
            str(spooled),
            self._path(sha256),
            ContentType=media_type,
            chunksize=_PART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
        )
        arrived = int(self.filesystem.info(self._path(sha256))["size"])
        if arrived != size:
            raise RemoteError(
                f"Sent {size} bytes to {self.address}, but it holds {arrived}; try again, and "
                "look at the object storage if it stays so."
            )

    def remove_if_older(self, sha256: str, than: datetime) -> bool:
        """Remove the object after a last look at its age."""
        try:
            modified: datetime = self.filesystem.info(self._path(sha256))["LastModified"]
        except FileNotFoundError:
            return False
        if modified.astimezone(UTC) > than:
            return False
        self.filesystem.rm_file(self._path(sha256))
        return True

    def link(self, sha256: str, *, name: str, media_type: str, expires_s: int) -> str | None:
        """Return a presigned address: whoever has it gets this one file until it expires."""
        if not self._settings.files_links:
            return None
        shown = quote(name, safe="")
        return str(
            self.filesystem.sign(
                self._path(sha256),
                expiration=max(1, min(expires_s, _LONGEST_LINK_S)),
                ResponseContentType=media_type,
                ResponseContentDisposition=f"attachment; filename*=UTF-8''{shown}",
            )
        )

    def local_path(self, sha256: str) -> Path | None:  # noqa: ARG002 – as the seam
        """Return nothing: the file lies elsewhere."""
        return None

    def ping(self) -> str:
        """Ask the bucket for the name of one object."""
        bucket, _, prefix = self.root.partition("/")
        self.filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return f"The bucket of {self.address} answers."

    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        """Say what the object storage said, and which setting to look at."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except LightboxError:
            raise
        except FileNotFoundError as error:
            raise self._nothing(doing, error) from error
        except (OSError, BotoCoreError, ClientError) as error:
            raise self._told(doing, error) from error

    def _nothing(self, doing: str, error: FileNotFoundError) -> LightboxError:
        """Tell a missing bucket, which is a setting, from a missing file."""
        if _reason(error) == "NoSuchBucket":
            return RemoteError(
                f"Expected the bucket of {self.address}, but it does not exist; "
                "make it, or correct LIGHTBOX_FILES_URL."
            )
        return NotFoundError(
            f"Expected {doing} in {self.address}, but there is none; it was removed, or "
            "LIGHTBOX_FILES_URL names another place than before."
        )

    def _told(self, doing: str, error: Exception) -> LightboxError:
        if isinstance(error, OSError) and error.errno in _FULL:  # the disk of the spool folder
            return DiskShortError(
                f"Expected room for {doing} in {self.incoming} on its way to {self.address}, but "
                "the disk is full; free some, then try again."
            )
        if isinstance(error, PermissionError):
            return RemoteError(
                f"{self.address} refuses us ({_reason(error)}); give these credentials the right "
                "to list, read, write and delete there."
            )
        return RemoteError(
            f"Expected {self.address} to answer about {doing}, but it does not "
            f"({_reason(error)}); check LIGHTBOX_AWS_ENDPOINT_URL, LIGHTBOX_AWS_REGION, the "
            "credentials and the network, then try again."
        )

    def _path(self, sha256: str) -> str:
        return f"{self.root}/{names.key_of(sha256)}"


def _reason(error: Exception) -> str:
    """Return the kind of an error: its text may quote addresses with signatures in them."""
    response: dict[str, Any] = getattr(error.__cause__ or error, "response", {})
    return str(response.get("Error", {}).get("Code") or type(error).__name__)

"""Every error that Lightbox raises on purpose.

::

    LightboxError
    ├── InputError                 the caller sent something that cannot be used
    │   ├── RequestError           names or types of the request are wrong
    │   ├── PictureError           the bytes are not a picture that we can read
    │   ├── VolumeError            the files are not one CT in Hounsfield units that we can read
    │   ├── DatasetError           the upload is no dataset in a form that we read
    │   ├── BackupError            the archive is no whole, unaltered backup that we can read
    │   ├── TooLargeError          bytes, pixels, voxels or files above the stated limit
    │   ├── NotFoundError          a name or id is unknown, or what it named is gone
    │   ├── NotSignedInError       nobody has signed in, and this server asks for it
    │   └── NotAllowedError        the caller may not have what was asked for
    ├── SettingsError              a LIGHTBOX_* value is not usable
    ├── ModelError                 a model folder is incomplete, altered or of an unsafe kind
    ├── MissingBackendError        an optional library or file is not installed
    ├── MemoryShortError           the step would not fit in free memory
    ├── DiskShortError             the file would not fit on the disk
    ├── StoreError                 the records cannot be read or written
    │   ├── DamagedStoreError      a collection's file is torn or altered
    │   └── NewerStoreError        the records were written by a newer Lightbox
    ├── DamagedFileError           a stored file is not what its name says it is
    ├── RemoteError                a service outside does not answer, or answers nonsense
    ├── JobCancelledError          a job was told to stop; its state is saved
    └── BusyError                  the queue is full; try again later
        ├── RateLimitedError       one person or address asked too often; try again later
        └── SignInPausedError      too many wrong passwords; wait, then try again

A message says what was expected, what came, and what to do. User interfaces show ``str(error)``
of these and of nothing else: any other exception is a bug.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BackupError",
    "BusyError",
    "DamagedFileError",
    "DamagedStoreError",
    "DatasetError",
    "DiskShortError",
    "InputError",
    "JobCancelledError",
    "LightboxError",
    "MemoryShortError",
    "MissingBackendError",
    "ModelError",
    "NewerStoreError",
    "NotAllowedError",
    "NotFoundError",
    "NotSignedInError",
    "PictureError",
    "RateLimitedError",
    "RemoteError",
    "RequestError",
    "SettingsError",
    "SignInPausedError",
    "StoreError",
    "TooLargeError",
    "VolumeError",
]


class LightboxError(Exception):
    """Base of all errors that a person may see; ``code`` is stable and meant for programs."""

    code: ClassVar[str] = "error"


class InputError(LightboxError):
    """The caller sent something that cannot be used."""

    code = "bad_input"


class RequestError(InputError):
    """Names or types in a request are wrong; the message names the field."""

    code = "bad_request"


class PictureError(InputError):
    """The bytes are empty, damaged, or not one of the picture formats that we read."""

    code = "bad_picture"


class VolumeError(InputError):
    """The files are damaged, no CT, not in Hounsfield units, or do not form one volume."""

    code = "bad_volume"


class DatasetError(InputError):
    """An upload is no dataset in a form that we read, or contradicts itself."""

    code = "bad_dataset"


class BackupError(InputError):
    """An archive is damaged, altered, incomplete, unsafe, too new, or no backup of Lightbox."""

    code = "bad_backup"


class TooLargeError(InputError):
    """An upload has more bytes or files, or a picture more pixels, than the limit allows."""

    code = "too_large"


class NotFoundError(InputError):
    """A name or id is unknown, belongs to nobody any more, or what it named is gone."""

    code = "not_found"


class NotAllowedError(InputError):
    """The caller may not have what was asked for, such as a file outside the import folder."""

    code = "not_allowed"


class NotSignedInError(InputError):
    """Nobody has signed in, the sign-in has ended, or e-mail and password do not fit."""

    code = "not_signed_in"


class SettingsError(LightboxError):
    """A setting has a value that cannot be used; the message names the variable."""

    code = "bad_setting"


class ModelError(LightboxError):
    """A model folder is incomplete, was altered, or is of a kind that we refuse to load."""

    code = "bad_model"


class MissingBackendError(LightboxError):
    """An optional library or file is missing; the message gives the line that installs it."""

    code = "missing_backend"


class MemoryShortError(LightboxError):
    """The next step would leave less than the floor of free memory."""

    code = "memory_short"


class StoreError(LightboxError):
    """The records cannot be read or written: no rights, no file locks, a full or failing disk."""

    code = "store_unusable"


class DamagedStoreError(StoreError):
    """A collection's file is torn or altered; the message says which good version can be had."""

    code = "damaged_store"


class NewerStoreError(StoreError):
    """The records were written by a newer Lightbox, which this one does not understand."""

    code = "newer_store"


class DiskShortError(LightboxError):
    """The file to be written would not fit on the disk."""

    code = "disk_short"


class DamagedFileError(LightboxError):
    """A file in the store is not the one that its name, the SHA-256 of its bytes, promises."""

    code = "damaged_file"


class RemoteError(LightboxError):
    """Object storage, message queue or external model does not answer, refuses, or lies."""

    code = "remote_failed"


class JobCancelledError(LightboxError):
    """A job was told to stop: it saves its state and lets this error pass."""

    code = "job_cancelled"


class BusyError(LightboxError):
    """The queue is full; ``retry_after_s`` says when to come back."""

    code = "busy"

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimitedError(BusyError):
    """One person or address asked too often; ``retry_after_s`` says when to come back."""

    code = "rate_limited"


class SignInPausedError(BusyError):
    """Too many wrong passwords for one account; ``retry_after_s`` says when to try again."""

    code = "sign_in_paused"

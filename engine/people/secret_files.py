"""Keys that the server makes for itself and keeps in ``HOME/secrets``, readable by nobody else."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from engine.errors import SettingsError
from engine.settings import Settings

__all__ = ["audit_key_file", "kept_secret", "session_key", "token_key"]

_BYTES = 32


def token_key(settings: Settings) -> bytes:
    """Return the key that signs API tokens: the setting's, else one that is made and kept.

    Raises
    ------
    SettingsError
        When no key can be kept.
    """
    if settings.jwt_secret:
        return settings.jwt_secret.encode()
    return kept_secret(_folder(settings) / "tokens.key")


def session_key(settings: Settings) -> bytes:
    """Return the key that signs the cookies of sign-ins."""
    return kept_secret(_folder(settings) / "sessions.key")


def audit_key_file(settings: Settings) -> Path:
    """Return where the key lies that seals the lines of the audit log."""
    return _folder(settings) / "audit.key"


def kept_secret(path: Path) -> bytes:
    """Return the 32 bytes kept at ``path``; made at the first call, mode 0600.

    Several processes may call it at once: all get the same key.

    Raises
    ------
    SettingsError
        When the file cannot be read or made, or holds something else.
    """
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise SettingsError(
            f"Expected a key at {path}, but it cannot be read or made ({error.strerror}); "
            "set LIGHTBOX_HOME to a folder that can be written."
        ) from error
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise SettingsError(
            f"{path} must hold {2 * _BYTES} hexadecimal digits, but does not; "
            "put the file of a backup back, or remove it: all must then sign in again."
        )
    return key


def _make(path: Path) -> None:
    """Write a new key, unless another process was first: a link never replaces a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.home / "secrets"

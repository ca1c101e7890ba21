"""What callers of the vertebra finder may send: names, types, and which files on the server.

All doors, Gradio's endpoints, the page's routes and the plain routes, check with the same
functions, so the same mistake gets the same sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, final

from engine.errors import NotAllowedError, NotFoundError, RequestError
from engine.settings import Settings
from engine.spine.backends import checked_backend, checked_task
from engine.spine.segmenters import Backend, Task
from ui_gradio.vault import PREFIX

__all__ = [
    "PARAMETERS",
    "FileDict",
    "Wish",
    "check",
    "import_source",
    "upload_names",
    "wish_from_form",
    "wish_of",
]

_MOST_FILES: Final = 10_000


class FileDict(TypedDict, total=False):
    """An uploaded file as Gradio's clients send it; ``path`` is the name that the upload gave."""

    path: str
    orig_name: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to look for vertebrae; see :data:`~engine.spine.segmenters.Backend` and ``Task``."""

    backend: Backend = "embedded"
    task: Task = "total_fast"
    transitional: bool = True


_Check = Callable[[str, object], object]


def check(endpoint: str, arguments: Mapping[str, object]) -> None:
    """Check names and types of the ``arguments`` for an endpoint; files are not looked at.

    Raises
    ------
    RequestError
        When a name is missing or unknown or a value has the wrong type; names the field.
    """
    known = PARAMETERS[endpoint]
    for name in arguments:
        if name not in known:
            raise RequestError(
                f"'{str(name)[:60]}' is not a parameter of {endpoint}; it takes "
                f"{', '.join(known) or 'no parameters'}."
            )
    for name, (required, look) in known.items():
        if name in arguments:
            look(name, arguments[name])
        elif required:
            raise RequestError(
                f"'{name}' is missing; {endpoint} takes {', '.join(known)}, "
                f"and '{name}' must be there."
            )


def upload_names(files: object) -> list[str]:
    """Return the names of uploads in ``files``: a name, a file object, or a list of them.

    Raises
    ------
    RequestError
        When something in it is no upload.
    """
    listed = files if isinstance(files, list) else [files]
    if not listed:
        raise RequestError("'files' must be one or more uploaded files, but is empty.")
    if len(listed) > _MOST_FILES:
        raise RequestError(
            f"'files' has {len(listed):,} files but at most {_MOST_FILES:,} are taken; "
            "send the files of one series."
        )
    return [_upload_name(one) for one in listed]


def wish_of(arguments: Mapping[str, object]) -> Wish:
    """Return how to look, from the ``backend``, ``task`` and ``transitional`` of a request.

    Raises
    ------
    RequestError
        When one of them has a wrong value.
    """
    transitional = arguments.get("transitional", True)
    _check_switch("transitional", transitional)
    return Wish(
        backend=checked_backend(arguments.get("backend", "embedded")),
        task=checked_task(arguments.get("task", "total_fast")),
        transitional=bool(transitional),
    )


def wish_from_form(fields: Mapping[str, str]) -> Wish:
    """Return how to look, from the text fields of a form.

    Raises
    ------
    RequestError
        When a field is unknown or has a wrong value.
    """
    arguments: dict[str, object] = dict(fields)
    if (text := fields.get("transitional")) is not None:
        words = {"true": True, "1": True, "false": False, "0": False}
        arguments["transitional"] = words.get(text.strip().lower(), text)
    check("detect_vertebrae", {"files": PREFIX, **arguments})
    return wish_of(arguments)


def import_source(file_path: object, settings: Settings) -> Path:
    """Return the file or folder of the server that a caller names, if that is allowed.

    Links are followed before the path is judged, so none leads out of the import folder.

    Raises
    ------
    RequestError
        When ``file_path`` is no text.
    NotAllowedError
        When there is no import folder, or the path is not inside of it.
    NotFoundError
        When nothing is there.
    """
    if not isinstance(file_path, str) or not file_path:
        raise RequestError(
            f"'file_path' must be a path below the server's import folder, but is "
            f"{_said(file_path)}."
        )
    if settings.import_dir is None:
        raise NotAllowedError(
            "This server reads no files by path; upload the CT as multipart/form-data, or have "
            "the operator set LIGHTBOX_IMPORT_DIR."
        )
    try:
        root = settings.import_dir.expanduser().resolve()
        path = (root / file_path).resolve()
    except (OSError, ValueError, RuntimeError):  # a loop of links, a null byte, too long
        raise _outside() from None
    if not path.is_relative_to(root):
        raise _outside()
    try:
        is_there = path.is_file() or path.is_dir()
    except OSError:
        is_there = False
    if not is_there:
        raise NotFoundError(
            "There is no such file below the server's import folder; check the path, which may be "
            "given relative to that folder."
        )
    return path


def _outside() -> NotAllowedError:
    return NotAllowedError(
        "'file_path' leads out of the server's import folder; name a file inside of it, or upload "
        "the CT as multipart/form-data."
    )


def _upload_name(value: object) -> str:
    path: object = value.get("path") if isinstance(value, dict) else value
    if isinstance(path, str) and path.startswith(PREFIX):
        return path
    url = value.get("url") if isinstance(value, dict) else value
    if isinstance(url, str) and url[:5].lower() == "data:":
        raise RequestError(
            "'files' takes no data URI: a CT is too large for one; upload the file first (POST "
            "gradio_api/upload, or handle_file of gradio_client) and send the name it returns."
        )
    if isinstance(path, str) or isinstance(url, str):
        raise RequestError(
            "'files' names a file that was not uploaded here; upload it first (POST "
            "gradio_api/upload, or handle_file of gradio_client). Paths and addresses are not read."
        )
    raise RequestError(f"'files' must be one or more uploaded files, but has {_said(value)}.")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise RequestError(f"'{name}' must be a text, but is {_said(value)}.")


def _check_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise RequestError(f"'{name}' must be true or false, but is {_said(value)}.")


def _check_steps(name: str, value: object) -> None:
    if isinstance(value, bool) or value not in (-1, 1):
        raise RequestError(f"'{name}' must be 1 or -1, but is {_said(value)}.")


_WISH: Final[Mapping[str, tuple[bool, _Check]]] = {
    "backend": (False, lambda _, value: checked_backend(value)),
    "task": (False, lambda _, value: checked_task(value)),
    "transitional": (False, _check_switch),
}

PARAMETERS: Final[Mapping[str, Mapping[str, tuple[bool, _Check]]]] = {
    "detect_vertebrae": {"files": (True, lambda _, value: upload_names(value)), **_WISH},
    "detect_by_path": {"file_path": (True, _check_text), **_WISH},
    "run": {"upload": (False, _check_text), "example": (False, _check_text), **_WISH},
    "shift": {"steps": (True, _check_steps)},
    "models_status": {},
    "download_model": {"name": (True, _check_text)},
    "health": {},
}
"""Per endpoint and parameter: whether it must be there, and how its value is checked."""


def _said(value: object) -> str:
    """Return the kind of a JSON value in words."""
    names: dict[type, str] = {bool: "true or false", list: "a list", dict: "an object"}
    if value is None:
        return "missing or null"
    if isinstance(value, Sequence | Mapping) and not value:
        return "empty"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}" if abs(value) < 1e9 else "a number"
    return names.get(type(value), "a text" if isinstance(value, str) else type(value).__name__)

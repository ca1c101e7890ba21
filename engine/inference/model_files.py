"""The files of a model folder: which are allowed, and whether they are what the card says.

Nothing here interprets weights. Pickles are recognised by name and by content and refused,
because loading one runs whatever code its author put inside.
"""

from __future__ import annotations

import hashlib
import io
import pickletools
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from engine.errors import ModelError
from engine.inference.card_fields import is_plain_file_name

__all__ = [
    "ALLOWED_SUFFIXES",
    "CARD_NAME",
    "COMPANIONS",
    "check_content",
    "check_files",
    "is_ignored",
    "listed_path",
    "model_folder",
    "sha256_of",
    "weight_files",
]

CARD_NAME: Final = "card.json"
ALLOWED_SUFFIXES: Final = frozenset(
    {".xml", ".bin", ".onnx", ".safetensors", ".json", ".md", ".txt", ".png", ".svg", ".csv"}
)
"""What a card may list. Only the first four hold weights."""

_PICKLE_SUFFIXES: Final = frozenset(
    {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".h5", ".hdf5"}
)
_SAFE_FORMATS: Final = "safetensors, ONNX or OpenVINO IR (.xml with .bin)"
COMPANIONS: Final = frozenset({CARD_NAME, "README.md", "LICENSE", "LICENSE.txt", "__init__.py"})
"""May lie in the folder without being listed: nothing in them is ever loaded."""

_HEAD_BYTES: Final = 4096
_OPCODES_THAT_PROVE_A_PICKLE: Final = 24
_CALLING_OPCODES: Final = frozenset({"GLOBAL", "INST", "STACK_GLOBAL", "REDUCE", "OBJ", "NEWOBJ"})
_ARCHIVES: Final = {
    b"PK\x03\x04": "a ZIP archive, which is how torch stores pickles",
    b"\x1f\x8b": "compressed with gzip, which is how joblib stores pickles",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, whose layers may hold code",
    b"\x93NUMPY": "a NumPy array file, which may hold pickled objects",
}


def model_folder(folder: str | Path) -> Path:
    """Return the absolute path of an existing folder.

    Raises
    ------
    ModelError
        When there is no such folder.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        came = "a single file" if path.is_file() else "nothing"
        raise ModelError(
            f"A model is a folder with a {CARD_NAME}, but {str(path)!r} holds {came}; "
            f"give the folder."
        )
    return path


def listed_path(folder: Path, name: str) -> Path:
    """Return the path of a file that a card names, sure that it lies inside ``folder``.

    Raises
    ------
    ModelError
        When the name leads out of the folder, the file is missing, is a link, or is of a kind
        that we do not load.
    """
    if not is_plain_file_name(name):
        raise ModelError(
            f"The model card names the file {name!r}, but only plain names inside the model's "
            f"own folder are allowed; move the file there and correct the card."
        )
    _check_suffix(name)
    path = folder / name
    if path.is_symlink():
        raise ModelError(
            f"The model file {name!r} is a symbolic link, which may lead out of the folder; "
            f"replace it by a copy of the file."
        )
    if not path.is_file():
        raise ModelError(
            f"The model card lists {name!r}, but the folder {str(folder)!r} does not hold it; "
            f"copy the whole folder again."
        )
    return path


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Compare a folder with a card's ``{name: sha256}``.

    Raises
    ------
    ModelError
        When a file is missing, altered, unlisted, a link, outside of the folder or a pickle.
    """
    for name, expected in files.items():
        path = listed_path(folder, name)
        check_content(path)
        actual = sha256_of(path)
        if actual != expected:
            raise ModelError(
                f"The model file {name!r} was altered: its card says sha256 {expected[:12]}… but "
                f"it has {actual[:12]}…; copy the folder again, or write a new card if the "
                f"change was yours."
            )
    for entry in sorted(folder.iterdir()):
        if entry.name in files or entry.name in COMPANIONS or is_ignored(entry):
            continue
        _check_suffix(entry.name)
        raise ModelError(
            f"The model folder holds {entry.name!r}, which its card does not list; remove it, or "
            f"list it under 'files' with its sha256."
        )


def check_content(path: Path) -> None:
    """Refuse a file whose content is a pickle or an archive, whatever its name says.

    Raises
    ------
    ModelError
        With what was found, and which formats are accepted instead.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for magic, meaning in _ARCHIVES.items():
        if head.startswith(magic):
            raise ModelError(
                f"The model file {path.name!r} is {meaning}; such files can run code when they "
                f"are loaded, so save the weights as {_SAFE_FORMATS}."
            )
    if _is_pickle(head):
        raise ModelError(
            f"The model file {path.name!r} is a Python pickle whatever its name says; loading "
            f"one runs code, so save the weights as {_SAFE_FORMATS}."
        )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weight_files(names: Iterable[str], suffix: str, *, card_format: str) -> str:
    """Return the one name with ``suffix``; the format allows neither none nor two.

    Raises
    ------
    ModelError
        When the card lists no such file, or several.
    """
    found = [name for name in names if name.lower().endswith(suffix)]
    if len(found) != 1:
        raise ModelError(
            f"A model of format {card_format!r} needs exactly one {suffix} file, but its card "
            f"lists {found or 'none'}; correct 'files' in {CARD_NAME}."
        )
    return found[0]


def _check_suffix(name: str) -> None:
    suffix = Path(name).suffix.lower()
    if suffix in _PICKLE_SUFFIXES:
        raise ModelError(
            f"The model file {name!r} is of a kind that can run code when it is loaded; save the "
            f"weights as {_SAFE_FORMATS} and remove it from the folder."
        )
    if suffix not in ALLOWED_SUFFIXES and name not in COMPANIONS:
        raise ModelError(
            f"The model file {name!r} is of an unknown kind; a model folder may hold "
            f"{', '.join(sorted(ALLOWED_SUFFIXES))}."
        )


def is_ignored(entry: Path) -> bool:
    """Tell whether an entry is a leftover of a file manager, of git or of Python."""
    return entry.name.startswith(".") or entry.name == "__pycache__"


def _is_pickle(head: bytes) -> bool:
    """Tell whether bytes read as pickle opcodes; raw float weights practically never do.

    From protocol 2 on a pickle says so in its first two bytes. Older ones do not, so they must
    also name something to call.
    """
    says_so = len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5
    names: list[str] = []
    ended = False
    try:
        with warnings.catch_warnings():
            # Weights read as text may hold "invalid escape sequences", which Python warns about.
            warnings.simplefilter("ignore")
            for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
                names.append(opcode.name)
                ended = opcode.name == "STOP"
                if len(names) >= _OPCODES_THAT_PROVE_A_PICKLE:
                    break
    except (ValueError, UnicodeDecodeError, OverflowError):
        # The head may have cut a genuine pickle inside a long argument.
        ended = False
    calls = bool(_CALLING_OPCODES & set(names))
    if says_so:
        return ended or calls or len(names) >= _OPCODES_THAT_PROVE_A_PICKLE
    return ended and calls

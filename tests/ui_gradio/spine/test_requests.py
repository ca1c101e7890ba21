"""What callers may send, and which files of the server they may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import LightboxError, NotAllowedError, NotFoundError, RequestError
from engine.settings import Settings
from ui_gradio.spine.requests import (
    Wish,
    check,
    import_source,
    upload_names,
    wish_from_form,
    wish_of,
)

FILE = {"path": "upload:abc", "orig_name": "ct.nii", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("files", ["upload:abc", FILE, ["upload:abc"], [FILE]])
def test_an_upload_is_named_in_four_ways(files: object) -> None:
    """A name, a file object of Gradio's clients, or lists of them."""
    assert upload_names(files) == ["upload:abc"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "is empty"),
        (None, "missing or null"),
        ("", "was not uploaded here"),
        (5, "has 5"),
        (True, "true or false"),
        ([[FILE]], "a list"),
        ({}, "has empty"),
        ("/etc/passwd", "Paths and addresses are not read"),
        ("data:application/x;base64,AAAA", "takes no data URI"),
        ({"url": "data:application/x;base64,AAAA"}, "takes no data URI"),
        ({"path": "/etc/passwd"}, "Paths and addresses are not read"),
        ({"url": "http://127.0.0.1/ct.nii"}, "Paths and addresses are not read"),
        ({"path": None, "url": None}, "an object"),
        (["upload:abc"] * 10_001, "10,001 files but at most 10,000"),
    ],
)
def test_what_is_no_upload_gets_a_sentence(files: object, sentence: str) -> None:
    """Paths, addresses, data URIs and other things are refused in words."""
    with pytest.raises(RequestError, match=sentence):
        upload_names(files)


def test_a_wish_has_defaults() -> None:
    """Nothing said means the embedded network."""
    assert wish_of({}) == Wish(backend="embedded", task="total_fast", transitional=True)
    assert wish_from_form({"task": "total", "transitional": "False"}) == Wish(
        task="total", transitional=False
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"backend": "magic"}, "backend has to be one of embedded"),
        ({"backend": None}, "backend has to be one of"),
        ({"task": ["total"]}, "task has to be one of"),
        ({"transitional": 1}, "'transitional' must be true or false, but is 1"),
        ({"transitional": "yes"}, "'transitional' must be true or false, but is a text"),
    ],
)
def test_a_wrong_wish_names_the_field(arguments: dict, sentence: str) -> None:
    """Wrong values are told with what would be right."""
    with pytest.raises(RequestError, match=sentence):
        wish_of(arguments)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"colour": "red"}, "'colour' is not a parameter"),
        ({"transitional": "maybe"}, "true or false"),
        ({"backend": "magic"}, "backend has to be"),
    ],
)
def test_a_wrong_form_field_is_told(fields: dict, sentence: str) -> None:
    """Fields of a form are checked as strictly as JSON."""
    with pytest.raises(RequestError, match=sentence):
        wish_from_form(fields)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("detect_vertebrae", {}, "'files' is missing"),
        ("detect_vertebrae", {"files": [FILE], "x": 1}, "'x' is not a parameter"),
        ("health", {"x": 1}, "takes no parameters"),
        ("download_model", {}, "'name' is missing"),
        ("download_model", {"name": 5}, "'name' must be a text, but is 5"),
        ("shift", {"steps": 2}, "'steps' must be 1 or -1, but is 2"),
        ("shift", {"steps": True}, "'steps' must be 1 or -1"),
        ("shift", {"steps": "1"}, "'steps' must be 1 or -1"),
        ("run", {"upload": ""}, "'upload' must be a text, but is empty"),
    ],
)
def test_names_and_types_are_checked(endpoint: str, arguments: dict, sentence: str) -> None:
    """Each endpoint takes its own names and nothing else."""
    with pytest.raises(RequestError, match=sentence):
        check(endpoint, arguments)


@pytest.fixture
def imports(tmp_path: Path) -> Settings:
    """Return settings with an import folder, beside a secret."""
    (tmp_path / "in" / "series").mkdir(parents=True)
    (tmp_path / "in" / "ct.nii").write_bytes(b"ct")
    (tmp_path / "secret.nii").write_bytes(b"secret")
    (tmp_path / "in-other").mkdir()
    (tmp_path / "in-other" / "ct.nii").write_bytes(b"other")
    (tmp_path / "in" / "link.nii").symlink_to(tmp_path / "secret.nii")
    (tmp_path / "in" / "inside.nii").symlink_to("ct.nii")
    (tmp_path / "in" / "loop").symlink_to("loop")
    return Settings(import_dir=tmp_path / "in")


def test_a_path_in_the_import_folder_is_read(imports: Settings) -> None:
    """Absolute or relative, a file or a folder, also through a link that stays inside."""
    root = imports.import_dir
    for text in (str(root / "ct.nii"), "ct.nii", "./series/../ct.nii", "inside.nii"):
        assert import_source(text, imports) == root.resolve() / "ct.nii"
    assert import_source("series", imports) == root.resolve() / "series"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("../secret.nii", NotAllowedError),
        ("/etc/passwd", NotAllowedError),
        ("/nothing/here.nii", NotAllowedError),
        ("../in-other/ct.nii", NotAllowedError),
        ("link.nii", NotAllowedError),
        ("loop", NotAllowedError),
        ("a\0b", NotAllowedError),
        ("x" * 5000, NotFoundError),
        ("nothing.nii", NotFoundError),
        ("~/secret.nii", NotFoundError),
        ("", RequestError),
        (None, RequestError),
        (["ct.nii"], RequestError),
    ],
)
def test_no_path_leads_out_of_the_import_folder(
    imports: Settings, text: object, error: type[LightboxError]
) -> None:
    """Dots, absolute paths, neighbours with the same beginning and links are refused."""
    with pytest.raises(error, match="import folder"):
        import_source(text, imports)


def test_without_an_import_folder_no_path_is_read(tmp_path: Path) -> None:
    """The sentence names the setting, and says nothing about the file."""
    with pytest.raises(NotAllowedError, match="LIGHTBOX_IMPORT_DIR"):
        import_source(str(tmp_path), Settings())

"""One file over HTTP: odd answers, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event

import httpx
import pytest

from engine.errors import LightboxError, ModelError
from engine.spine.weights.parts import Origin, PartFile
from engine.spine.weights.transfer import Tuning, WebFile

BODY = b"PK\x03\x04" + bytes(range(200))
ADDRESS = "https://example.org/v1/model.zip"
QUICK = Tuning(attempts=3, first_wait_s=0.0, longest_wait_s=0.0)

Answer = Callable[[httpx.Request], httpx.Response]


def fetch(folder: Path, answer: Answer) -> bytes:
    """Fetch the file from a server that answers so; return what came."""
    part = PartFile(folder, "model.zip")
    file = WebFile(ADDRESS, part, tuning=QUICK, stop=Event())
    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as client:
        list(file.fetch(client))
    return part.finish().read_bytes()


def begun(folder: Path, count: int, validator: str | None = '"one"') -> None:
    """Leave the first ``count`` bytes of the file behind, as an earlier download would."""
    origin = Origin(address=ADDRESS, total=len(BODY), validator=validator)
    with PartFile(folder, "model.zip").adding(origin) as stream:
        stream.write(BODY[:count])


def partly(request: httpx.Request, tag: str | None = '"one"') -> httpx.Response:
    """Answer a request for a range as a good server does."""
    start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
    headers = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
    return httpx.Response(
        206, stream=httpx.ByteStream(BODY[start:]), headers=headers | ({"ETag": tag} if tag else {})
    )


def test_the_rest_is_asked_for_with_its_condition(tmp_path: Path) -> None:
    """``Range`` begins at the next byte, ``If-Range`` names the file that the part belongs to."""
    begun(tmp_path, 100)
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return partly(request)

    assert fetch(tmp_path, answer) == BODY
    assert asked[0].headers["Range"] == "bytes=100-"
    assert asked[0].headers["If-Range"] == '"one"'


def test_a_weak_etag_identifies_nothing(tmp_path: Path) -> None:
    """Without a strong ETag the date stands in; a weak one must not be sent (RFC 9110, 13.1.5)."""

    def answer(_: httpx.Request) -> httpx.Response:
        date = "Mon, 01 Jan 2024 00:00:00 GMT"
        headers = {"ETag": 'W/"one"', "Last-Modified": date, "Content-Length": "400"}
        return httpx.Response(200, stream=httpx.ByteStream(BODY), headers=headers)

    with pytest.raises(LightboxError, match="broke off"):
        fetch(tmp_path, answer)
    note = json.loads((tmp_path / "model.zip.part.json").read_text())
    assert note["validator"] == "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes 90-{len(BODY) - 1}/{len(BODY)}"},
        {"Content-Range": f"bytes 100-{len(BODY)}/{len(BODY) + 1}"},
        {"Content-Range": f"bytes 100-{len(BODY) - 1}/{len(BODY)}", "ETag": '"two"'},
        {"Content-Range": "items 1-2/3"},
        {},
    ],
)
def test_a_range_that_does_not_fit_is_not_appended(tmp_path: Path, headers: dict[str, str]) -> None:
    """Another start, length, file or unit: the download begins again from nothing."""
    begun(tmp_path, 100)

    def answer(request: httpx.Request) -> httpx.Response:
        if "Range" in request.headers:
            return httpx.Response(206, stream=httpx.ByteStream(b"wrong"), headers=headers)
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    assert fetch(tmp_path, answer) == BODY


@pytest.mark.parametrize("total", [len(BODY) + 5, len(BODY) - 5])
def test_nothing_more_to_send_of_another_file(tmp_path: Path, total: int) -> None:
    """416 with another length than the part has: it is another file, and fetched anew."""
    begun(tmp_path, len(BODY))

    def answer(request: httpx.Request) -> httpx.Response:
        if "Range" in request.headers:
            return httpx.Response(416, headers={"Content-Range": f"bytes */{total}"})
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    assert fetch(tmp_path, answer) == BODY


def test_bytes_without_a_note_are_not_believed(tmp_path: Path) -> None:
    """A part whose note is gone belongs to nothing, and is begun again."""
    (tmp_path / "model.zip.part").write_bytes(b"something else")

    def answer(request: httpx.Request) -> httpx.Response:
        assert "Range" not in request.headers
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    assert fetch(tmp_path, answer) == BODY


def test_a_damaged_note_is_not_believed(tmp_path: Path) -> None:
    """Half a note is no note."""
    begun(tmp_path, 100)
    (tmp_path / "model.zip.part.json").write_text('{"address": ')

    def answer(request: httpx.Request) -> httpx.Response:
        assert "Range" not in request.headers
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    assert fetch(tmp_path, answer) == BODY


def test_a_way_that_leaves_https_is_refused(tmp_path: Path) -> None:
    """A redirect from https to http could hand us anybody's file."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "https":
            return httpx.Response(302, headers={"Location": "http://example.org/model.zip"})
        return httpx.Response(200, stream=httpx.ByteStream(BODY))

    with pytest.raises(ModelError, match="leads to http;"):
        fetch(tmp_path, answer)


def test_an_encoded_file_is_refused(tmp_path: Path) -> None:
    """A proxy that compresses what it passes on breaks ranges and checksums."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, stream=httpx.ByteStream(b"?"), headers={"Content-Encoding": "br"}
        )

    with pytest.raises(ModelError, match="in br encoding"):
        fetch(tmp_path, answer)


def test_nothing_at_all_is_not_a_file(tmp_path: Path) -> None:
    """An empty answer is tried again, and then told."""
    with pytest.raises(LightboxError, match="nothing came"):
        fetch(tmp_path, lambda _: httpx.Response(200, stream=httpx.ByteStream(b"")))

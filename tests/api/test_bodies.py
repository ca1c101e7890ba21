"""Bodies, read with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.bodies import first_file, is_multipart, read_limited
from engine.errors import InputError, RequestError, TooLargeError

FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="eye.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x\r\n--edge--\r\n"
)


class Source:
    """Chunks that count how many were taken."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Hand out chunks."""
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


def run(work: Coroutine[None, None, bytes]) -> bytes:
    """Run in an event loop; in a thread, because the browser tests keep one in ours."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def read(source: Source, *, max_bytes: int, declared: str | None = None) -> bytes:
    """Read all chunks."""
    chunks = source.__aiter__()
    return run(read_limited(chunks, max_bytes=max_bytes, declared=declared))


def test_a_body_within_the_limit_is_whole() -> None:
    """Chunks are joined."""
    assert read(Source(b"ab", b"cd"), max_bytes=4) == b"abcd"


def test_reading_stops_at_the_limit() -> None:
    """A long body is not read to its end."""
    source = Source(b"ab", b"cd", b"ef")
    with pytest.raises(TooLargeError, match="longer than the limit"):
        read(source, max_bytes=3)
    assert source.taken == 2


def test_a_declared_length_refuses_before_reading() -> None:
    """Who says that the body is too long is believed."""
    source = Source(b"ab")
    with pytest.raises(TooLargeError, match="longer than the limit"):
        read(source, max_bytes=3, declared="4")
    assert source.taken == 0


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    """Who sends drop by drop does not keep a place for ever."""

    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    with pytest.raises(InputError, match=r"had not arrived after 0\.1 seconds"):
        run(read_limited(drops(), max_bytes=999, declared=None, patience_s=0.1))


def test_the_first_file_of_a_form_is_found() -> None:
    """Fields without a file name are passed over; the bytes are kept as they are."""
    assert is_multipart("Multipart/Form-Data; boundary=edge")
    assert first_file(FORM, "multipart/form-data; boundary=edge") == b"\x89PNG\r\n--x"


@pytest.mark.parametrize(
    ("body", "kind", "sentence"),
    [
        (FORM, "multipart/form-data", "no boundary"),
        (b"--edge--\r\n", "multipart/form-data; boundary=edge", "no file in it"),
        (b"garbage", "multipart/form-data; boundary=edge", "cannot be read"),
    ],
)
def test_a_bad_form_gets_a_sentence(body: bytes, kind: str, sentence: str) -> None:
    """Missing boundary, no file, damaged."""
    with pytest.raises(RequestError, match=sentence):
        first_file(body, kind)

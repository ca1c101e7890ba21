"""What callers are told when something fails."""

from __future__ import annotations

import logging

import pytest

from api.problems import OUR_FAULT, problem_from_code, problem_of, response_of
from engine import errors


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InputError("Wrong."), 400, "bad_input"),
        (errors.PictureError("Empty."), 400, "bad_picture"),
        (errors.TooLargeError("Long."), 413, "too_large"),
        (errors.RequestError("No 'image'."), 422, "bad_request"),
        (errors.BusyError("Full."), 429, "busy"),
        (errors.NotFoundError("Gone."), 404, "not_found"),
        (errors.NotAllowedError("Outside."), 403, "not_allowed"),
        (errors.MemoryShortError("Short."), 507, "memory_short"),
        (errors.DiskShortError("Full."), 507, "disk_short"),
        (errors.NotSignedInError("Who?"), 401, "not_signed_in"),
        (errors.RateLimitedError("Often."), 429, "rate_limited"),
        (errors.SignInPausedError("Wrong."), 429, "sign_in_paused"),
        (errors.BackupError("Torn."), 400, "bad_backup"),
        (errors.RemoteError("Silent."), 502, "remote_failed"),
        (errors.DamagedStoreError("Torn."), 503, "damaged_store"),
        (errors.ModelError("Altered."), 500, "bad_model"),
    ],
)
def test_each_error_has_its_status_and_keeps_its_sentence(
    error: errors.LightboxError, status: int, code: str
) -> None:
    """The caller's faults are 4xx, ours 5xx, and the sentence of the error is shown."""
    problem = problem_of(error)
    assert (status, code, str(error)) == (problem.status, problem.code, problem.message)


def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """A bug's words stay in the log; the caller reads one general sentence."""
    with caplog.at_level(logging.ERROR):
        problem = problem_of(ZeroDivisionError("secret path /srv"))
    assert (problem.status, problem.code, problem.message) == (500, "server_error", OUR_FAULT)
    assert "secret path /srv" in caplog.text


def test_busy_says_when_to_come_back() -> None:
    """A 429 carries Retry-After in seconds."""
    answer = response_of(errors.BusyError("Full.", retry_after_s=7))
    assert answer.headers["retry-after"] == "7"


def test_not_signed_in_says_how_to() -> None:
    """A 401 names the scheme (RFC 9110, 11.6.1)."""
    answer = response_of(errors.NotSignedInError("Who?"))
    assert answer.headers["www-authenticate"] == 'Bearer realm="Lightbox"'


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("bad_volume", 400),
        ("bad_request", 422),
        ("too_large", 413),
        ("memory_short", 507),
        ("missing_backend", 409),
        ("made_up", 500),
    ],
)
def test_an_error_of_another_process_has_the_same_status(code: str, status: int) -> None:
    """A code and a sentence are all that comes over; they are answered as the error itself is."""
    problem = problem_from_code(code, "A sentence.")
    assert (status, code, "A sentence.") == (problem.status, problem.code, problem.message)

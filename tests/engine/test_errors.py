"""The error tree: one base, stable codes, and the drawing in the docstring."""

from __future__ import annotations

import inspect

from engine import errors


def leaves() -> list[type[errors.LightboxError]]:
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.LightboxError)
    ]


def test_every_error_is_drawn_in_the_tree() -> None:
    """The tree in the module docstring names every error class, and nothing is private."""
    assert errors.__doc__ is not None
    assert {leaf.__name__ for leaf in leaves()} == set(errors.__all__)
    assert [leaf.__name__ for leaf in leaves() if leaf.__name__ not in errors.__doc__] == []


def test_codes_are_stable_and_distinct() -> None:
    """Programs tell errors apart by their code, so no two share one."""
    codes = [leaf.code for leaf in leaves()]
    assert len(set(codes)) == len(codes)
    assert set(codes) == {
        "bad_backup",
        "bad_dataset",
        "bad_input",
        "bad_model",
        "bad_picture",
        "bad_request",
        "bad_setting",
        "bad_volume",
        "busy",
        "damaged_file",
        "damaged_store",
        "disk_short",
        "error",
        "job_cancelled",
        "memory_short",
        "missing_backend",
        "newer_store",
        "not_allowed",
        "not_found",
        "not_signed_in",
        "rate_limited",
        "remote_failed",
        "sign_in_paused",
        "store_unusable",
        "too_large",
    }


def test_busy_says_when_to_come_back() -> None:
    """A full queue carries the seconds that a caller should wait."""
    assert errors.BusyError("full", retry_after_s=7).retry_after_s == 7

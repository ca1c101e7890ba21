"""Google's reCAPTCHA, asked on registration when the operator has set a secret."""

from __future__ import annotations

import logging

import httpx

from engine.errors import InputError, RemoteError
from engine.settings import Settings

__all__ = ["require_human"]

_TIMEOUT_S = 8.0
_LARGEST = 20_000

_log = logging.getLogger(__name__)


def require_human(answer: str, settings: Settings, *, address: str) -> None:
    """Return when the service says that a person answered, or when no secret is set.

    Parameters
    ----------
    answer
        What the widget put into the form.
    settings
        Secret and address of the service.
    address
        Of the visitor, which is sent along.

    Raises
    ------
    InputError
        When the answer is missing, wrong, used or too old.
    RemoteError
        When the service cannot be asked; nobody is registered unchecked.
    """
    if not settings.recaptcha_secret:
        return
    if not answer or len(answer) > _LARGEST:
        raise InputError("Tick the reCAPTCHA box first; its answer did not come with the form.")
    if not _is_confirmed(answer, settings, address):
        raise InputError("The reCAPTCHA answer was not accepted; tick the box again.")


def _is_confirmed(answer: str, settings: Settings, address: str) -> bool:
    fields = {"secret": settings.recaptcha_secret, "response": answer, "remoteip": address}
    try:
        # No redirects: the secret goes to the one address that the operator has set.
        told = httpx.post(settings.recaptcha_url, data=fields, timeout=_TIMEOUT_S)
        told.raise_for_status()
        document = told.json()
    except (httpx.HTTPError, ValueError) as error:
        _log.warning("reCAPTCHA could not be asked (%s).", type(error).__name__)
        raise RemoteError(
            "The reCAPTCHA service did not answer, so nobody can register now; "
            "try again in a few minutes."
        ) from error
    if not isinstance(document, dict):
        raise RemoteError("The reCAPTCHA service answered something unexpected; try again later.")
    faults = document.get("error-codes")
    if isinstance(faults, list) and {"missing-input-secret", "invalid-input-secret"} & set(
        map(str, faults)
    ):
        _log.error("reCAPTCHA refuses the secret of LIGHTBOX_RECAPTCHA_SECRET.")
    return document.get("success") is True

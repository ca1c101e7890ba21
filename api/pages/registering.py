"""Asking for an account: a page, with reCAPTCHA where the operator has set it up."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.asking import Desk, Threads, sent_form, text_of
from api.pages.forms import Field, fault, form
from api.pages.frame import page
from api.pages.new_password import new_password_fields, require_twice
from api.pages.notices import notice_page
from api.pages.signing_in import root_of, visitor_of
from api.problems import problem_of
from api.recaptcha import require_human
from engine.errors import LightboxError, NotAllowedError
from engine.people.profiles import Profile
from engine.settings import Settings
from engine.store.records import User

__all__ = ["build_registering_router"]

_ANSWER: Final = "g-recaptcha-response"
_SCRIPT: Final = '<script src="https://www.google.com/recaptcha/api.js" async defer></script>\n'
_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "script-src https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/; "
    "frame-src https://www.google.com/recaptcha/; connect-src https://www.google.com/recaptcha/"
)


def build_registering_router(desk: Desk) -> APIRouter:
    """Return the page ``/register``."""
    router = APIRouter(include_in_schema=False)
    threads = Threads(2)

    @router.get("/register")
    async def register_page(request: Request) -> Response:
        root = root_of(request)
        if not desk.settings.auth or visitor_of(request).is_signed_in:
            return RedirectResponse(f"{root}/", status_code=303)
        why_not = _why_not(desk.settings)
        if why_not:
            return notice_page("Register", why_not, root=root, links={"/login": "Sign in"})
        return _form_page(request, desk.settings)

    @router.post("/register")
    async def register(request: Request) -> Response:
        sent: Mapping[str, str] = {}
        address = visitor_of(request).address
        try:
            if why_not := _why_not(desk.settings):
                raise NotAllowedError(why_not)
            sent = await sent_form(request)
            user = await threads.run(lambda: _register(desk, sent, address))
        except LightboxError as error:
            return _form_page(request, desk.settings, error=error, sent=sent)
        return _thanks(user, root_of(request))

    return router


def _register(desk: Desk, sent: Mapping[str, str], address: str) -> User:
    """Make the account; what costs least is checked first."""
    profile = Profile(
        name=text_of(sent, "name"),
        email=text_of(sent, "email"),
        hospital=text_of(sent, "hospital", otherwise=""),
        location=text_of(sent, "location", otherwise=""),
    )
    password = text_of(sent, "password", longest=5000)
    require_twice(password, sent)
    require_human(sent.get(_ANSWER, ""), desk.settings, address=address)
    return desk.workbench().accounts.register(profile, password, address=address)


def _why_not(settings: Settings) -> str:
    if settings.registration == "off":
        return "Nobody can register here; ask an administrator to add you."
    if settings.recaptcha_secret and not settings.recaptcha_site_key:
        return "Registration is by the API only here; ask an administrator to add you."
    return ""


def _thanks(user: User, root: str) -> Response:
    text = (
        "An administrator lets you in; then sign in with your e-mail and password."
        if user.waiting
        else "You can sign in now."
    )
    return notice_page("Thank you", text, root=root, links={"/login": "Sign in"})


def _form_page(
    request: Request,
    settings: Settings,
    *,
    error: LightboxError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    told = sent or {}

    def line(name: str, label: str, autocomplete: str, *, kind: str = "text") -> Field:
        return Field(
            name=name,
            label=label,
            kind=kind,
            autocomplete=autocomplete,
            value=told.get(name, "")[:320],
            has_focus=name == "name",
            is_required=name in ("name", "email"),
            is_wrong=f"'{name}'" in str(error or ""),
        )

    fields = (
        line("name", "Name", "name"),
        line("email", "E-mail", "email", kind="email"),
        line("hospital", "Hospital", "organization"),
        line("location", "Location", "address-level2"),
        *new_password_fields(error),
    )
    widget = ""
    if settings.recaptcha_secret:
        widget = f'<div class="g-recaptcha" data-sitekey="{escape(settings.recaptcha_site_key)}">'
        widget += "</div>\n"
    problem = problem_of(error) if error else None
    root = root_of(request)
    answer = page(
        "Register",
        fault(str(error or ""))
        + form(fields, button="Register", extra=widget)
        + f'\n<ul class="links"><li><a href="{root}/login">Sign in</a></li></ul>',
        root=root,
        status=problem.status if problem else 200,
        head=_SCRIPT if widget else "",
        policy=_POLICY if widget else "",
    )
    answer.headers.update(problem.headers if problem else {})
    return answer

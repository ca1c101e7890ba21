"""Sign in and out: two pages and the cookie."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.asking import Desk, Threads, in_thread, sent_form, text_of
from api.cookies import forget_session, keep_session
from api.own_paths import own_path
from api.pages.forms import Field, fault, form, note
from api.pages.frame import page
from api.problems import problem_of
from engine.errors import LightboxError
from engine.people.actors import NOBODY, Actor
from engine.store.records import User

__all__ = ["build_signing_in_router", "open_session", "root_of", "visitor_of"]

_DOORS = ("/login", "/logout", "/register")


def build_signing_in_router(desk: Desk) -> APIRouter:
    """Return the pages ``/login`` and ``/logout``."""
    router = APIRouter(include_in_schema=False)
    # bcrypt takes a core for a quarter of a second: the others must stay free.
    threads = Threads(2)

    @router.get("/login")
    async def sign_in_page(request: Request) -> Response:
        if not desk.settings.auth or visitor_of(request).is_signed_in:
            return RedirectResponse(_wanted(request), status_code=303)
        message = "You are signed out." if request.query_params.get("left") == "1" else ""
        return _sign_in_page(request, desk, message=message)

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        if not desk.settings.auth:
            return RedirectResponse(_wanted(request), status_code=303)
        address = visitor_of(request).address
        email = ""
        try:
            sent = await sent_form(request)
            email = text_of(sent, "email")
            password = text_of(sent, "password", longest=5000)
            user = await threads.run(
                lambda: desk.workbench().accounts.sign_in(email, password, address=address)
            )
            answer = RedirectResponse(_wanted(request), status_code=303)
            await open_session(answer, request, desk, user)
        except LightboxError as error:
            return _sign_in_page(request, desk, error=error, email=email)
        return answer

    @router.get("/logout")
    async def sign_out_page(request: Request) -> Response:
        root, actor = root_of(request), visitor_of(request)
        if not desk.settings.auth or not actor.is_signed_in:
            return RedirectResponse(f"{root}/", status_code=303)
        body = (
            f"<p>You are signed in as {escape(actor.name)}.</p>\n{form((), button='Sign out')}\n"
            f'<ul class="links"><li><a href="{root}/">Stay signed in</a></li></ul>'
        )
        return page("Sign out?", body, root=root)

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        session, actor = getattr(request.state, "session", ""), visitor_of(request)
        if session:
            await in_thread(lambda: _close(desk, session, actor))
        answer = RedirectResponse(f"{root_of(request)}/login?left=1", status_code=303)
        forget_session(answer, request)
        return answer

    return router


async def open_session(response: Response, request: Request, desk: Desk, user: User) -> None:
    """Sign ``user`` in with a new cookie; the session of an older cookie ends."""
    address, agent = visitor_of(request).address, request.headers.get("user-agent", "")
    earlier = getattr(request.state, "session", "")

    def work() -> tuple[str, int]:
        sessions = desk.workbench().sessions
        if earlier:
            sessions.close(earlier)
        return sessions.open(user, address=address, agent=agent), sessions.longest_s

    token, longest_s = await in_thread(work)
    keep_session(response, request, token, max_age_s=longest_s)


def visitor_of(request: Request) -> Actor:
    """Return who looks at a page, signed in or not."""
    actor = getattr(request.state, "actor", NOBODY)
    return actor if isinstance(actor, Actor) else NOBODY


def root_of(request: Request) -> str:
    """Return the path under which a reverse proxy shows the server, empty without one."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _close(desk: Desk, session: str, actor: Actor) -> None:
    workbench = desk.workbench()
    workbench.sessions.close(session)
    if actor.is_signed_in:
        workbench.accounts.signed_out(actor)


def _wanted(request: Request) -> str:
    """Return where somebody wanted to go before they had to sign in, the front page otherwise."""
    root = root_of(request)
    front = f"{root}/"
    wanted = own_path(request.query_params.get("next"), otherwise=front)
    path = wanted.partition("?")[0].partition("#")[0].removeprefix(root).rstrip("/")
    return front if path in _DOORS else wanted


def _sign_in_page(
    request: Request,
    desk: Desk,
    *,
    message: str = "",
    error: LightboxError | None = None,
    email: str = "",
) -> Response:
    root = root_of(request)
    fields = (
        Field(
            name="email",
            label="E-mail",
            kind="email",
            autocomplete="username",
            value=email[:320],
            has_focus=not email,
            is_wrong=error is not None,
        ),
        Field(
            name="password",
            label="Password",
            kind="password",
            autocomplete="current-password",
            has_focus=bool(email),
            is_wrong=error is not None,
        ),
    )
    body = note(message) + fault(str(error or "")) + form(fields, button="Sign in")
    links = ""
    if desk.settings.registration != "off":
        links = f'<li><a href="{root}/register">Register</a></li>'
    links += '<li class="soft">Forgotten? An administrator can reset it.</li>'
    problem = problem_of(error) if error else None
    answer = page(
        "Sign in",
        f'{body}\n<ul class="links">{links}</ul>',
        root=root,
        status=problem.status if problem else 200,
    )
    answer.headers.update(problem.headers if problem else {})
    return answer

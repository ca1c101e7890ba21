"""The own password: changing it, and setting it through a one-time link."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.asking import Desk, Threads, asked_by, in_thread, sent_form, text_of
from api.pages.forms import Field, fault, form, note
from api.pages.frame import page
from api.pages.new_password import new_password_fields, require_twice
from api.pages.signing_in import open_session, root_of, visitor_of
from api.problems import problem_of
from engine.errors import LightboxError, NotFoundError
from engine.people.actors import Actor
from engine.store.records import User

__all__ = ["build_password_router"]


def build_password_router(desk: Desk) -> APIRouter:
    """Return the pages ``/password`` and ``/first/TOKEN``."""
    router = APIRouter(include_in_schema=False)
    threads = Threads(2)

    @router.get("/password")
    async def password_page(request: Request) -> Response:
        asked_by(request, "account.password")
        if not desk.settings.auth:
            return RedirectResponse(f"{root_of(request)}/", status_code=303)
        is_done = request.query_params.get("changed") == "1"
        return _change_page(request, message="Your password is changed." if is_done else "")

    @router.post("/password")
    async def change(request: Request) -> Response:
        actor = asked_by(request, "account.password")
        root = root_of(request)
        if not desk.settings.auth:
            return RedirectResponse(f"{root}/", status_code=303)
        try:
            sent = await sent_form(request)
            user = await threads.run(lambda: _change(desk, actor, sent))
        except LightboxError as error:
            return _change_page(request, error=error)
        answer = RedirectResponse(f"{root}/password?changed=1", status_code=303)
        await open_session(answer, request, desk, user)
        return answer

    @router.get("/first/{token}")
    async def first_page(request: Request, token: str) -> Response:
        user = await in_thread(lambda: desk.workbench().accounts.owner_of_link(token))
        return _first_page(request, user)

    @router.post("/first/{token}")
    async def first(request: Request, token: str) -> Response:
        address = visitor_of(request).address
        owner = await in_thread(lambda: desk.workbench().accounts.owner_of_link(token))
        sent: Mapping[str, str] = {}
        try:
            sent = await sent_form(request)
            user = await threads.run(lambda: _set(desk, token, sent, address))
        except NotFoundError:
            raise  # the link holds no more: there is nothing to fill in again
        except LightboxError as error:
            return _first_page(request, owner, error=error, sent=sent)
        answer = RedirectResponse(f"{root_of(request)}/", status_code=303)
        await open_session(answer, request, desk, user)
        return answer

    return router


def _change(desk: Desk, actor: Actor, sent: Mapping[str, str]) -> User:
    new = text_of(sent, "password", longest=5000)
    require_twice(new, sent)
    old = text_of(sent, "present", longest=5000)
    return desk.workbench().accounts.change_password(actor, old, new)


def _set(desk: Desk, token: str, sent: Mapping[str, str], address: str) -> User:
    new = text_of(sent, "password", longest=5000)
    require_twice(new, sent)
    return desk.workbench().accounts.use_one_time(
        token,
        new,
        email=text_of(sent, "email", otherwise=""),
        name=text_of(sent, "name", otherwise=""),
        address=address,
    )


def _change_page(
    request: Request, *, message: str = "", error: LightboxError | None = None
) -> Response:
    fields = (
        Field(
            name="present",
            label="Present password",
            kind="password",
            autocomplete="current-password",
            has_focus=True,
            is_wrong="present" in str(error or ""),
        ),
        *new_password_fields(error, label="New password"),
    )
    body = note(message) + fault(str(error or "")) + form(fields, button="Change password")
    root = root_of(request)
    links = f'<li><a href="{root}/">Front page</a></li><li><a href="{root}/studio/">Studio</a></li>'
    problem = problem_of(error) if error else None
    answer = page(
        "Change your password",
        f'{body}\n<ul class="links">{links}</ul>',
        root=root,
        status=problem.status if problem else 200,
    )
    answer.headers.update(problem.headers if problem else {})
    return answer


def _first_page(
    request: Request,
    user: User,
    *,
    error: LightboxError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    told, wrong = sent or {}, str(error or "")
    who: tuple[Field, ...] = (
        Field(
            name="name",
            label="Name",
            autocomplete="name",
            value=told.get("name", "")[:320],
            is_wrong="'name'" in wrong,
            has_focus=True,
        ),
        Field(
            name="email",
            label="E-mail",
            kind="email",
            autocomplete="username",
            value=told.get("email", "")[:320],
            is_wrong="'email'" in wrong,
        ),
    )
    fields = (*(() if user.email else who), *new_password_fields(error))
    intro = "" if user.email else "<p>You become the first administrator of this server.</p>\n"
    problem = problem_of(error) if error else None
    return page(
        "Choose your password",
        intro + fault(wrong) + form(fields, button="Set password and sign in"),
        root=root_of(request),
        status=problem.status if problem else 200,
    )

"""Accounts for programs: register, sign in for a token, log what somebody did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.asking import Desk, Threads, asked_by, in_thread, json_fields, sent_form, text_of
from api.pages.signing_in import visitor_of
from api.recaptcha import require_human
from api.schemas import PROBLEMS, body
from engine.errors import RequestError
from engine.people.actors import Actor
from engine.people.profiles import Profile
from engine.store import now
from engine.store.records import Activity, User

__all__ = ["build_account_router"]

_MOST_ACTIVITIES: Final = 10_000
_LONGEST_METADATA: Final = 8000
_SIGN_IN: Final = ("email", "password")
_ANSWERS: Final = ("recaptcha_token", "recaptcha", "g-recaptcha-response")


def build_account_router(desk: Desk) -> APIRouter:
    """Return ``/api/v1/register``, ``/api/v1/login`` and ``/api/v1/log-activity``."""
    router = APIRouter(prefix="/api/v1", tags=["accounts"], responses=PROBLEMS)
    # bcrypt takes a core for a quarter of a second: the others must stay free.
    threads = Threads(2)

    person = dict.fromkeys(("name", "email", "password", "role", "hospital"), "string")
    person |= {"location": "string", "recaptcha_token": "string"}

    @router.post(
        "/register", status_code=201, openapi_extra=body("name", "email", "password", **person)
    )
    async def register(request: Request) -> Response:
        """Ask for an account: `name`, `email`, `password`, `role`, `hospital`, `location`.

        `recaptcha_token` is asked for where the operator has set it up. `status` is `waiting`
        until an administrator lets the account in.
        """
        fields = await json_fields(request)
        address = visitor_of(request).address
        user = await threads.run(lambda: _register(desk, fields, address))
        return JSONResponse(_user_document(user), status_code=201)

    @router.post(
        "/login",
        openapi_extra=body("email", "password", **{name: person[name] for name in _SIGN_IN}),
    )
    async def login(request: Request) -> Response:
        """Answer `email` and `password` with a token for `Authorization: Bearer`.

        A form with `username` and `password`, as OAuth 2 clients send it, is taken as well.
        """
        is_form = "urlencoded" in request.headers.get("content-type", "")
        fields: Mapping[str, Any] = await (sent_form(request) if is_form else json_fields(request))
        email = text_of(fields, "email" if "email" in fields else "username")
        password = text_of(fields, "password", longest=5000)
        address = visitor_of(request).address

        def work() -> dict[str, Any]:
            workbench = desk.workbench()
            user = workbench.accounts.sign_in(email, password, address=address)
            token, seconds = workbench.tokens.issue(user)
            return {
                "access_token": token,
                "token": token,
                "token_type": "bearer",
                "expires_in": seconds,
                "user": _user_document(user),
            }

        return JSONResponse(await threads.run(work), headers={"Cache-Control": "no-store"})

    @router.post(
        "/log-activity",
        status_code=201,
        openapi_extra=body(
            "activity_type", activity_type="string", description="string", metadata="object"
        ),
    )
    async def log_activity(request: Request) -> Response:
        """Note what the caller did: `activity_type`, `description`, `metadata` (an object)."""
        actor = asked_by(request, "activity.log")
        fields = await json_fields(request)
        activity = _activity(fields, actor)
        await in_thread(lambda: _keep(desk, activity))
        document = {
            "id": activity.id,
            "user_id": activity.user_id,
            "activity_type": activity.activity_type,
            "description": activity.description,
            "metadata": fields.get("metadata") or {},
            "created_at": activity.created_at.isoformat(),
        }
        return JSONResponse(document, status_code=201)

    return router


def _register(desk: Desk, fields: Mapping[str, Any], address: str) -> User:
    profile = Profile(
        name=text_of(fields, "name"),
        email=text_of(fields, "email"),
        hospital=text_of(fields, "hospital", otherwise=""),
        location=text_of(fields, "location", otherwise=""),
    )
    password = text_of(fields, "password", longest=5000)
    role = text_of(fields, "role", otherwise="ANNOTATOR")
    answer = next((fields[name] for name in _ANSWERS if name in fields), "")
    require_human(answer if isinstance(answer, str) else "", desk.settings, address=address)
    return desk.workbench().accounts.register(profile, password, role=role, address=address)


def _user_document(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "hospital": user.hospital,
        "location": user.location,
        "status": "waiting" if user.waiting else "active",
        "created_at": user.created_at.isoformat(),
        "updated_at": user.updated_at.isoformat(),
    }


def _activity(fields: Mapping[str, Any], actor: Actor) -> Activity:
    metadata = {} if fields.get("metadata") is None else fields["metadata"]
    if not isinstance(metadata, dict):
        raise RequestError(f"'metadata' must be an object, but is a {type(metadata).__name__}.")
    if len(json.dumps(metadata)) > _LONGEST_METADATA:
        raise RequestError(f"'metadata' is longer than {_LONGEST_METADATA} characters as JSON.")
    kind = text_of(fields, "activity_type", longest=100).strip()
    if not kind:
        raise RequestError("'activity_type' is empty; say what was done, such as 'view_sample'.")
    return Activity(
        user_id=actor.id,
        activity_type=kind,
        description=text_of(fields, "description", longest=2000, otherwise=""),
        metadata=metadata,
        created_at=now(),
    )


def _keep(desk: Desk, activity: Activity) -> None:
    """Keep the newest; clients write these, so they must not fill the disk."""
    with desk.workbench().store.activities.transaction() as activities:
        kept = sorted(activities.values(), key=lambda one: (one.created_at, one.id))
        for old in kept[: max(0, len(kept) + 1 - _MOST_ACTIVITIES)]:
            activities.remove(old.id)
        activities.put(activity)

"""A small house with the real door: the routes and pages of the API, real people, no front ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fastapi import FastAPI, WebSocket
from starlette.responses import HTMLResponse
from starlette.testclient import TestClient

from api.asking import Desk
from api.entrance import add_door, add_routes
from engine.people.accounts import Accounts
from engine.people.actors import SYSTEM, Role
from engine.people.profiles import Profile
from engine.people.sessions import COOKIE
from engine.settings import Settings
from engine.store.records import User
from engine.workbench import Workbench

__all__ = ["PASSWORD", "House", "build_house"]

PASSWORD = "seven green apples"
ORIGIN = "http://testserver"


@dataclass(kw_only=True)
class House:
    """An application with people of every role; ``client`` is a visitor without a cookie."""

    app: FastAPI
    workbench: Workbench
    people: dict[str, User] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """What it was built with."""
        return self.workbench.settings

    def client(self, **options: object) -> TestClient:
        """A browser of its own, which says nothing about itself, as a program would."""
        return TestClient(
            self.app, follow_redirects=False, raise_server_exceptions=False, **options
        )

    def cookie(self, role: Role) -> str:
        """A session of somebody with this role, as their cookie has it."""
        return self.workbench.sessions.open(self.people[role])

    def browser(self, role: Role) -> TestClient:
        """A browser in which somebody of this role has signed in."""
        client = self.client()
        client.cookies.set(COOKIE, self.cookie(role))
        return client

    def token(self, role: Role) -> dict[str, str]:
        """The header of a program that somebody of this role has given a token."""
        return {"Authorization": f"Bearer {self.workbench.tokens.issue(self.people[role])[0]}"}


def build_house(home: Path, *, people: bool = True, **changes: object) -> House:
    """Build it; sign-in is on unless ``auth`` says otherwise."""
    given: Mapping[str, object] = {"auth": True, "worker": False, **changes}
    settings = replace(Settings(home=home), **given)
    workbench = Workbench(settings)
    # The same accounts with a quick bcrypt: its cost is tested where it belongs.
    accounts = Accounts(workbench.store, settings, workbench.audit, rounds=4)
    workbench._parts["accounts"] = accounts
    house = House(app=_application(settings, workbench), workbench=workbench)
    for role in ("ADMIN", "UPLOADER", "ANNOTATOR", "REVIEWER") if people else ():
        profile = Profile(name=f"Ms {role.title()}", email=f"{role.lower()}@clinic.example")
        _, token = accounts.add(SYSTEM, profile, role=role)
        house.people[role] = accounts.use_one_time(token, PASSWORD)
    return house


def _application(settings: Settings, workbench: Workbench) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    desk = Desk(settings=settings, workbench=lambda: workbench)
    add_routes(app, desk)

    @app.get("/")
    def front() -> HTMLResponse:
        return HTMLResponse("<h1>front page</h1>")

    @app.get("/studio/{page:path}")
    def studio(page: str) -> HTMLResponse:
        return HTMLResponse(f"<h1>studio {page}</h1>")

    @app.get("/eyes/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret path /srv")

    @app.websocket("/studio/_stcore/stream")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    add_door(app, desk)
    return app

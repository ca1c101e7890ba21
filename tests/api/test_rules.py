"""Every route of the real application names its action, and nobody passes without it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api.door import Door
from api.identity import Identified, Identity
from api.rules import RULES, WEBSOCKET, Rule, find_rule, methods_at
from engine.people.actors import NOBODY, ROLES, Actor, Role
from engine.people.permissions import ACTIONS, allowed
from engine.settings import Settings
from tests.api.routes_of import real_routes, sample_of

# What Streamlit answers beside its pages and what we do not offer: a second door for agents
# without our permissions, and its own way to sign in.
REFUSED = re.compile(r"/studio/(?:_stcore/agent/.+|auth/.+|oauth2callback)")


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """(method, path) of everything that the one port answers."""
    return real_routes(tmp_path_factory.mktemp("home"))


def test_every_route_has_a_rule_or_is_refused(routes: list[tuple[str, str]]) -> None:
    """A route that nobody has thought about would be refused, and is found here before."""
    without = {path for method, path in routes if find_rule(method, sample_of(path)) is None}
    assert {path for path in without if not REFUSED.fullmatch(path)} == set()
    assert len(routes) > 200


def test_every_rule_has_a_route(routes: list[tuple[str, str]]) -> None:
    """No rule speaks of a path that is not there (any more)."""
    used = [find_rule(method, sample_of(path)) for method, path in routes]
    assert [rule.path.pattern for rule in RULES if rule not in used] == []


def test_every_rule_names_a_registered_action() -> None:
    """An action that is not in the table would be a mistake of ours at each request."""
    assert {rule.action for rule in RULES} - {None} <= set(ACTIONS)


def test_only_these_need_no_sign_in() -> None:
    """What anybody may ask is a short list that changes only on purpose."""
    assert {rule.path.pattern for rule in RULES if rule.action is None} == {
        "/favicon.ico",
        "/login|/logout|/register|/first/[^/]+",
        "/login|/first/[^/]+",
        "/register",
        "/logout",
        "/door/[^/]+",
        "/api/v1/login",
        "/api/v1/register",
        "/studio/_stcore/health",
    }


@pytest.mark.parametrize("role", [None, *ROLES])
def test_nobody_passes_without_the_action(
    role: Role | None, routes: list[tuple[str, str]], tmp_path: Path
) -> None:
    """Each role reaches exactly the routes whose action it has; nobody reaches hardly any."""
    actor = replace(NOBODY) if role is None else Actor(id="a", name="A", role=role)
    client = TestClient(_door_for(actor, tmp_path), follow_redirects=False)
    wrong = []
    for method, path in routes:
        sample = sample_of(path)
        rule = find_rule(method, sample)
        if method in (WEBSOCKET, "OPTIONS"):
            continue
        answer = client.request(method, sample)
        reached = answer.headers.get("x-inside") == "yes"
        is_told = reached or answer.status_code in (303, 401, 403, 404, 405)
        if reached != _may(rule, actor) or not is_told:
            wrong.append((method, path, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("path", ["/studio/_stcore/agent/mcp", "/studio/auth/login", "/nothing"])
def test_an_administrator_too_is_refused_what_has_no_rule(path: str, tmp_path: Path) -> None:
    """Default deny: without a rule there is nothing, whoever asks."""
    actor = Actor(id="a", name="A", role="ADMIN")
    answer = TestClient(_door_for(actor, tmp_path)).get(path)
    assert (answer.status_code, answer.headers.get("x-inside")) == (404, None)


@pytest.mark.parametrize(
    "path",
    ["/studio/../metrics", "//metrics", "/metrics/", "/METRICS", "/metrics%2f", "/metrics;x=1"],
)
def test_a_disguised_path_is_no_way_around_a_rule(path: str, tmp_path: Path) -> None:
    """What is not spelled as the rule has it reaches no route of that rule either."""
    rule = find_rule("GET", path)
    assert rule is None or rule.action == "studio.open"


def test_methods_of_a_path_are_known() -> None:
    """A wrong method is told which ones there are."""
    assert methods_at("/api/v1/jobs") == ("GET", "POST")
    assert methods_at("/nothing") == ()


def _may(rule: Rule | None, actor: Actor) -> bool:
    if rule is None:
        return False
    return rule.action is None or rule.kind == "probe" or allowed(actor, rule.action)


def _door_for(actor: Actor, home: Path) -> Door:
    """The real door before an application that says that it was reached."""

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": [(b"x-inside", b"yes")]}
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    settings = Settings(home=home, auth=True, rate_api="9999/second", rate_sign_in="9999/second")
    door = Door(inside, settings=settings, workbench=lambda: pytest.fail("not asked"))
    identity = Identity(lambda: pytest.fail("not asked"), settings)
    # A token's bearer: what is asked here is the table, not the cookie.
    found = Identified(actor=actor, means="token")
    door._identity = _Known(identity, found)  # type: ignore[assignment]
    return door


class _Known:
    """Says who it is without looking."""

    def __init__(self, real: Identity, found: Identified) -> None:
        self.may_read_figures = real.may_read_figures
        self._found = found

    def of(self, headers: object, *, address: str) -> Identified:
        return self._found

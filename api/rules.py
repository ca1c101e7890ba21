"""Which action each path and method takes. What stands in no rule is refused.

The table is the only place where the door looks; a test walks all routes of the real application
and fails on a route without a rule, and on a rule without a route.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, final

from api.rates import Rate

__all__ = ["RULES", "WEBSOCKET", "Rule", "find_rule", "methods_at"]

WEBSOCKET: Final = "WEBSOCKET"
"""The method of a websocket's handshake."""

_SMALL: Final = 64_000

Kind = Literal["data", "page", "part", "probe"]
"""``page``: shown to people, who are sent to sign in; ``part``: a file that pages use; ``probe``:
anybody learns the status, and those who may the rest; ``data``: for programs."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may ask what, and how.

    ``action`` is a name of :data:`engine.people.permissions.ACTIONS`, or ``None`` where nobody
    needs to sign in. ``rate`` counts requests against a limit. ``body_limit`` is in bytes;
    ``None`` where what stands behind the door has a limit of its own. ``by_strangers`` says that
    pages of others may call it on a server without sign-in.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    action: str | None
    kind: Kind = "data"
    rate: Rate | None = None
    body_limit: int | None = _SMALL
    by_strangers: bool = False

    def covers(self, method: str, path: str) -> bool:
        """Return whether the rule is for this request; HEAD counts as GET."""
        asked = "GET" if method == "HEAD" else method
        return asked in self.methods and self.path.fullmatch(path) is not None


def _rule(
    methods: str,
    path: str,
    action: str | None,
    kind: Kind = "data",
    *,
    rate: Rate | None = None,
    own_limit: bool = False,
    by_strangers: bool = False,
) -> Rule:
    return Rule(
        methods=frozenset(methods.split()),
        path=re.compile(path),
        action=action,
        kind=kind,
        rate=rate,
        body_limit=None if own_limit else _SMALL,
        by_strangers=by_strangers,
    )


def _mounted(path: str, action: str) -> tuple[Rule, ...]:
    """Return the rules of one of Gradio's pages; its gate knows methods and limits."""
    every = "GET POST PUT PATCH DELETE"
    return (
        _rule("GET", f"{path}/?", action, "page"),
        _rule(every, f"{path}/.+", action, own_limit=True, by_strangers=True),
    )


RULES: Final[tuple[Rule, ...]] = (
    # Front page and description.
    _rule("GET", "/", "suite.open", "page"),
    _rule("GET", "/favicon.ico", None, "part"),
    _rule("GET", "/docs|/redoc", "api.describe", "page"),
    _rule("GET", "/docs/oauth2-redirect|/openapi.json", "api.describe"),
    _rule("GET", "/static-offline-docs/.+", "api.describe", "part"),
    # Signing in and out.
    _rule("GET", "/login|/logout|/register|/first/[^/]+", None, "page"),
    _rule("POST", "/login|/first/[^/]+", None, "page", rate="sign_in"),
    _rule("POST", "/register", None, "page", rate="register"),
    _rule("POST", "/logout", None, "page"),
    _rule("GET", "/door/[^/]+", None, "part"),
    _rule("GET", "/password", "account.password", "page"),
    _rule("POST", "/password", "account.password", "page", rate="sign_in"),
    _rule("POST", "/api/v1/login", None, rate="sign_in"),
    _rule("POST", "/api/v1/register", None, rate="register"),
    _rule("POST", "/api/v1/log-activity", "activity.log", rate="api"),
    # Health and figures.
    _rule("GET", "/health|/api/health|/api/v1/health", "monitoring.view", "probe"),
    _rule("GET", "/api/v1/health/background-processes", "monitoring.view", rate="api"),
    _rule("GET", "/monitoring/(?:status|resources)", "monitoring.view", rate="api"),
    _rule("GET", "/metrics", "monitoring.view", rate="api"),
    # Jobs and intake.
    _rule("GET", "/api/v1/jobs", "jobs.view", rate="api"),
    _rule("POST", "/api/v1/jobs", "jobs.submit", rate="api"),
    _rule("GET", "/api/v1/jobs/[^/]+", "jobs.view", rate="api"),
    _rule("POST", "/api/v1/jobs/[^/]+/(?:cancel|retry)", "jobs.control_own", rate="api"),
    _rule("POST", "(?:/api/v1)?/admin/modelprocessing/process-sqs", "jobs.intake", rate="api"),
    _rule("GET", "(?:/api/v1)?/admin/modelprocessing/status-api", "jobs.intake", rate="api"),
    _rule("POST", "(?:/api/v1)?/admin/cleanup-stuck-samples", "samples.cleanup", rate="api"),
    # Pictures and masks.
    _rule("POST", "/images/?", "datasets.add", rate="api", own_limit=True),
    _rule("GET", "/images/?", "datasets.view", rate="api"),
    _rule("GET", "/images/[^/]+/masks", "masks.view", rate="api"),
    _rule("POST", "/images/[^/]+/masks", "masks.draw", rate="api", own_limit=True),
    # Trained models.
    _rule("POST", "/ai/train", "models.train", rate="api"),
    _rule("GET", "/ai/status", "models.view", rate="api"),
    _rule("POST", "/ai/predict", "models.predict", rate="api", own_limit=True),
    # Patients and samples.
    _rule("POST", "/api/v1/upload_img", "samples.add", rate="api", own_limit=True),
    _rule("GET", "/api/v1/samples(?:/[^/]+)?", "samples.view", rate="api"),
    _rule("POST", "/api/v1/annotate", "cells.annotate", rate="api"),
    _rule("POST", "/api/v1/annotate/patient", "patients.annotate", rate="api"),
    _rule("GET", "/api/v1/patients", "patients.view", rate="api"),
    _rule("POST", "/api/v1/patients", "patients.manage", rate="api"),
    _rule("GET", "/api/v1/patient/[^/]+/(?:samples|report)", "patients.view", rate="api"),
    # Files and backups.
    _rule("GET", "/api/v1/backups/[^/]+/archive", "backups.restore", rate="api"),
    _rule("GET", "/files/[^/]+", "files.read", rate="api"),
    # Cells.
    _rule("POST", "/api/v1/cells/detect", "cells.detect", rate="api", own_limit=True),
    _rule("GET", "/api/v1/cells/dynamic-detect", "cells.detect", rate="api"),
    _rule("GET", "/cells/?", "cells.view", rate="api"),
    _rule("POST", "/cells/?", "cells.types", rate="api"),
    _rule("PUT", "/cells/[^/]+", "cells.types", rate="api"),
    # Eyes and spine: the plain routes, then the pages.
    _rule("POST", "/predict|/upload", "eyes.use", rate="api", own_limit=True, by_strangers=True),
    _rule("GET", "/api/models/status", "spine.use"),
    _rule("POST", "/api/models/download/[^/]+", "spine.use", by_strangers=True),
    _rule(
        "POST", "/api/detect-vertebrae", "spine.use", rate="api", own_limit=True, by_strangers=True
    ),
    *_mounted("/eyes", "eyes.use"),
    *_mounted("/spine", "spine.use"),
    # The studio; its pages ask for their own actions.
    _rule("GET", "/studio/_stcore/health", None, "probe"),
    _rule("GET", "/studio/_stcore/metrics", "monitoring.view"),
    _rule("GET", "/studio/_stcore/(?:host-config|bidi-components/.+)", "studio.open", "part"),
    _rule("GET", "/studio/(?:media|component|static)/.+", "studio.open", "part"),
    _rule(WEBSOCKET, "/studio/_stcore/stream", "studio.open"),
    _rule("PUT DELETE", "/studio/_stcore/upload_file/.+", "studio.open", own_limit=True),
    _rule("GET", r"/studio(?:/(?!oauth2callback)[\w.-]*)?/?", "studio.open", "page"),
)


@lru_cache(maxsize=4096)
def find_rule(method: str, path: str) -> Rule | None:
    """Return the rule of a request; ``None`` refuses it.

    OPTIONS takes what any method at that path takes.
    """
    if method == "OPTIONS":
        return next((rule for rule in RULES if rule.path.fullmatch(path)), None)
    return next((rule for rule in RULES if rule.covers(method, path)), None)


def methods_at(path: str) -> tuple[str, ...]:
    """Return the methods that rules know at a path, for a 405."""
    known = {method for rule in RULES if rule.path.fullmatch(path) for method in rule.methods}
    return tuple(sorted(known - {WEBSOCKET}))

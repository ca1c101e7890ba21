"""A studio with a home of its own, looked at as a role; the frame and the engine are the real ones.

Only the browser is missing: what it would send as a cookie is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit.testing.v1 import AppTest

from engine.people.actors import Role
from engine.settings import Settings
from engine.store.records import User
from engine.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["APP", "Studio", "texts", "words"]

APP = Path(__file__).parents[2] / "ui_streamlit" / "app.py"


@dataclass
class Studio:
    """The studio of one home; ``cookies`` are what the next page sees."""

    workbench: Workbench
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings of the home."""
        return self.workbench.settings

    def sign_in(self, role: Role, *, name: str = "Ann Example") -> User:
        """Make somebody with ``role``, open a session, and return who it is."""
        user = User(name=name, email=f"{role.lower()}@example.org", role=role)
        with self.workbench.store.users.transaction() as users:
            users.put(user)
        self.cookies["lightbox_session"] = self.workbench.sessions.open(user)
        return user

    def sign_out(self) -> None:
        """Go on as somebody without a session."""
        self.cookies.clear()

    def open(self, page: str = "home", **query: str) -> AppTest:
        """Open a page through the frame, as its address does."""
        app = AppTest.from_file(str(APP), default_timeout=30)
        app.query_params.update(query)
        if page != "home":  # the page without a name in its address
            app.switch_page(f"studio_pages/{page}.py")
        return app.run()


def texts(app: AppTest) -> Iterable[str]:
    """Return every text of a page, in the order of its kinds."""
    for kind in (
        *("title", "header", "subheader", "markdown", "caption", "text", "code", "error"),
        *("warning", "info", "success", "badge", "html", "toast", "metric", "expander"),
        *("page_link", "image"),
    ):
        for element in app.get(kind):
            for name in ("label", "body", "value"):
                yield str(getattr(element, name, "") or "")
            yield str(getattr(element, "proto", ""))
    for button in app.button:
        yield button.label


def words(app: AppTest) -> str:
    """Return all texts of a page as one."""
    return "\n".join(texts(app))

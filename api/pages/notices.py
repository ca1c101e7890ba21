"""Pages that only say something: what went wrong, and where to go from here."""

from __future__ import annotations

from html import escape
from typing import Final

from starlette.responses import HTMLResponse

from api.pages.frame import page
from api.problems import Problem

__all__ = ["notice_page", "problem_page"]

_TITLES: Final = {
    401: "Sign in first",
    403: "Not for your role",
    404: "Nothing here",
    405: "Not like this",
    413: "Too large",
    422: "That cannot be used",
    429: "Too many requests",
    507: "No room",
}


def notice_page(title: str, message: str, *, root: str, links: dict[str, str]) -> HTMLResponse:
    """Return a page with one message; ``links`` are texts by path."""
    return page(title, _body(message, links, root), root=root)


def problem_page(problem: Problem, *, root: str) -> HTMLResponse:
    """Return a problem as a page."""
    usual = "Something went wrong" if problem.status >= 500 else "That did not work"
    title = _TITLES.get(problem.status, usual)
    body = _body(problem.message, {"/": "Front page"}, root)
    answer = page(title, body, root=root, status=problem.status)
    answer.headers.update(problem.headers)
    return answer


def _body(message: str, links: dict[str, str], root: str) -> str:
    rows = "".join(
        f'<li><a href="{escape(root + path)}">{escape(text)}</a></li>'
        for path, text in links.items()
    )
    return f'<p>{escape(message)}</p>\n<ul class="links">{rows}</ul>'

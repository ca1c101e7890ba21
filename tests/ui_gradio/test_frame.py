"""What the pages share: their head, and the files that the browser fetches."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ui_gradio.frame import Frame, home_of, web_router

FRAME = Frame(
    title="One & two",
    name="Long name",
    short_name="Short",
    description='Says "what"',
    styles=("base.css", "own.css"),
)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """A page with two files of its own, one of them under a shared name."""
    (tmp_path / "own.js").write_text("own")
    (tmp_path / "dom.js").write_text("mine")
    (tmp_path / "page.html").write_text("secret")
    app = FastAPI()
    app.include_router(web_router(FRAME, tmp_path), prefix="/here")
    return TestClient(app)


def test_a_head_replaces_what_gradio_links_elsewhere() -> None:
    """Title and styles are ours; the root's manifest and the vendor's pictures are gone."""
    html = (
        '<head><link rel="manifest" href="/manifest.json">'
        '<meta property="og:image" content="https://elsewhere/p.png"></head><body></body>'
    )
    polished = FRAME.polish(html)
    assert "<title>One &amp; two</title>" in polished
    assert "elsewhere" not in polished
    assert polished.count('rel="manifest"') == 1
    assert polished.index("base.css") < polished.index("own.css")
    assert 'content="Says &quot;what&quot;"' in polished


def test_own_files_go_before_shared_ones(client: TestClient) -> None:
    """An own name, a shared name, and an own file under a shared name."""
    assert client.get("/here/web/own.js").text == "own"
    assert client.get("/here/web/dom.js").text == "mine"
    assert "export function" in client.get("/here/web/snippets.js").text


@pytest.mark.parametrize("name", ["page.html", "..%2fframe.py", "nothing.js", "%00.js"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    """Neither pages, nor files beside the folder, nor what is not there."""
    assert client.get(f"/here/web/{name}").status_code == 404


def test_a_phone_may_keep_the_page(client: TestClient) -> None:
    """The manifest has the names and icons that are there."""
    manifest = client.get("/here/manifest.json").json()
    assert (manifest["name"], manifest["short_name"]) == ("Long name", "Short")
    for icon in manifest["icons"]:
        assert client.get("/here/" + icon["src"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "home"), [("/eyes", "../"), ("/", "./"), ("/a/b", "../../"), ("", "./")]
)
def test_the_way_home_follows_the_depth(path: str, home: str) -> None:
    """One step up for each part of the path."""
    assert home_of(path) == home

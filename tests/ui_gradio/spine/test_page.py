"""The text of the vertebra page and the files that it is made of."""

from __future__ import annotations

import re

import httpx
import pytest

from engine.settings import Settings
from tests.ui_gradio.spine.serving import SpineServer
from ui_gradio.spine import page


def test_the_settings_stand_in_the_text() -> None:
    """Largest upload, time of keeping, way home; nothing is left to fill in."""
    text = page.page_html(Settings(max_volume_mb=1500), path="/deep/spine")
    assert "up to 1.5 GB" in text
    assert "for 15 minutes after the last use" in text
    assert 'href="../../"' in text
    assert "&quot;max_upload_mb&quot;: 1500" in text
    assert re.findall(r"%[A-Z_]+%", text) == []


def test_the_notice_stands_there_once() -> None:
    """Quietly, in the foot."""
    assert page.page_html(Settings(), path="/spine").count("not a medical device") == 1


@pytest.mark.parametrize("script", sorted(file.name for file in page.WEB.glob("*.js")))
def test_every_module_imports_only_what_is_served(spine: SpineServer, script: str) -> None:
    """What a script imports is answered as a script, from the page's folder or the shared one."""
    text = (page.WEB / script).read_text(encoding="utf-8")
    for name in {script, *re.findall(r'from "\./([^"]+)"', text)}:
        answer = httpx.get(f"{spine.page}web/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")


def test_no_file_of_the_page_names_another_machine() -> None:
    """Scripts, styles and page hold no address but our own; the 3-D needs no library."""
    for file in page.WEB.iterdir():
        if file.suffix in (".js", ".css", ".html"):
            text = re.sub(r"//.*registry\.khronos\.org.*", "", file.read_text(encoding="utf-8"))
            assert "http://" not in text
            assert "https://" not in text

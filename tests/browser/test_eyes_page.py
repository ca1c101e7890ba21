"""The page itself: sizes, colours, keyboard, screen reader, code that works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.ui_gradio.serving import EyeServer, png, serving

pytestmark = pytest.mark.browser

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(eyes: EyeServer, visit: Visit, scheme: str) -> None:
    """At 390 px everything fits, buttons are large enough, and one takes a photo."""
    watched = visit(eyes.page, color_scheme=scheme, **PHONE)
    watched.choose("face.jpg")
    page = watched.page
    for details in page.locator("details > summary").all():
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.is_visible("[data-do=take] + span")
    small = page.evaluate(
        """[...document.querySelectorAll(".lb button, .lb label.lb-button, .lb summary")]
            .filter((node) => node.offsetParent)
            .map((node) => node.getBoundingClientRect())
            .filter((box) => box.height < 30 || box.width < 44).length"""
    )
    assert small == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(eyes: EyeServer, visit: Visit, scheme: str) -> None:
    """All text reaches the contrast of WCAG AA (4.5 to 1), in light and dark."""
    watched = visit(eyes.page, color_scheme=scheme)
    watched.choose("cataract.jpg")
    faint = watched.page.evaluate(CONTRAST)
    assert faint == []


def test_everything_can_be_reached_and_used_by_keyboard(eyes: EyeServer, visit: Visit) -> None:
    """Tab and arrows go from the skip link through the tabs to an example and its result."""
    page = visit(eyes.page).page
    focused = "document.activeElement.textContent.trim()"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Skip to the result"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Webcam"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "Photo"
    assert page.get_attribute("#lb-tab-photo", "aria-selected") == "true"
    assert page.is_hidden("#lb-webcam")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.do") == "choose"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "A photograph"
    page.keyboard.press("Enter")
    page.wait_for_selector(".lb-card")
    assert page.evaluate("document.activeElement.id") == "lb-answer"
    page.keyboard.press("Tab")
    name = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert name == "Heat map over the right eye, opacity in percent"


def test_a_camera_check_by_keyboard_keeps_its_place(eyes: EyeServer, visit: Visit) -> None:
    """Started by a key, the focus goes to Stop, and in the end to the result."""
    page = visit(eyes.page).page
    page.focus("#lb-tab-webcam")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.do") == "start"
    page.keyboard.press("Enter")
    page.wait_for_selector(".lb-stage[data-state=on]")
    assert page.evaluate("document.activeElement.dataset.do") == "stop"
    page.wait_for_selector(".lb-card", timeout=30_000)
    assert page.evaluate("document.activeElement.id") == "lb-answer"


def test_a_screen_reader_finds_names_roles_and_news(eyes: EyeServer, visit: Visit) -> None:
    """Every control has a name, status lines are live regions, pictures have texts."""
    watched = visit(eyes.page)
    watched.choose("face.jpg")
    page = watched.page
    assert page.get_by_role("tab").count() == 2
    assert page.get_by_role("heading", name="Eye check", level=1).count() == 1
    assert page.get_by_role("article", name="Left eye").count() == 1
    assert page.locator(".lb [role=status][aria-live=polite]").count() == 2
    unnamed = page.evaluate(
        """[...document.querySelectorAll(".lb button, .lb input, .lb a")].filter((node) =>
            !(node.textContent.trim() || node.ariaLabel || node.labels?.[0]?.textContent.trim()))
            .map((node) => node.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator(".lb img:not([alt])").count() == 0


def test_the_notice_is_there_once(eyes: EyeServer, visit: Visit) -> None:
    """Quietly, in the foot, also with a result."""
    watched = visit(eyes.page)
    watched.choose("face.jpg")
    assert watched.page.inner_text(".lb").count("not a medical device") == 1


def test_the_code_on_the_page_runs(eyes: EyeServer, visit: Visit, tmp_path: Path) -> None:
    """The curl and Python lines work as they stand, for the address of this visit."""
    page = visit(eyes.page).page
    page.click(".lb-code summary")
    curl, plain, client = page.locator(".lb-code pre").all_inner_texts()
    (tmp_path / "eye.jpg").write_bytes(png("green"))
    if shutil.which("curl"):
        shell = subprocess.run(
            curl, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert '"Healthy"' in shell.stdout
    for code in (plain, client):
        python = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert "Healthy" in python.stdout


def test_the_page_works_behind_a_proxy_that_hides_a_path(visit: Visit, tmp_path: Path) -> None:
    """Shown at /lightbox/eyes/: page, check, links and code stay below that path."""
    with serving(root_path="/lightbox") as eyes:
        watched = visit(eyes.page)
        watched.choose("face.jpg")
        page = watched.page
        assert page.locator(".lb-card").count() == 2
        assert page.evaluate("document.querySelector('.lb-home').href") == f"{eyes.url}/"
        page.click(".lb-code summary")
        curl, _, client = page.locator(".lb-code pre").all_inner_texts()
        assert curl.endswith(f" {eyes.url}/upload")
        (tmp_path / "eye.jpg").write_bytes(png("green"))
        python = subprocess.run(
            [sys.executable, "-c", client], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert "Healthy" in python.stdout


# Contrast of each visible piece of text with the first opaque ground behind it (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b]
        .map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    const groundOf = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const ground = parse(getComputedStyle(at).backgroundColor);
            if (ground.length === 3 || ground[3] > 0.99) return ground;
        }
        return [255, 255, 255];
    };
    const faint = [];
    const texts = document.createTreeWalker(document.querySelector(".lb"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode.parentElement;
        if (!texts.currentNode.textContent.trim() || !node.checkVisibility()) continue;
        if (node.closest(".lb-skip")) continue;
        const [a, b] = [light(parse(getComputedStyle(node).color)), light(groundOf(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faint.push(`${texts.currentNode.textContent.trim()}: ${ratio.toFixed(2)}`);
    }
    return faint;
}"""


def test_nothing_can_be_clicked_before_the_page_has_started(eyes: EyeServer, visit: Visit) -> None:
    """Controls are inert while the scripts are on their way, and work once they have started."""
    watched = visit(eyes.page)
    assert not watched.page.evaluate("document.querySelector('.lb-columns').inert")
    slow = watched.page.context.new_page()
    held = []
    slow.route("**/web/main.js", lambda route: held.append(route))
    slow.goto(eyes.page, wait_until="commit")
    slow.wait_for_selector("#lb-tab-photo", state="attached", timeout=30_000)
    assert slow.evaluate("document.querySelector('.lb-columns').inert")
    while not held:
        slow.wait_for_timeout(50)
    held[0].continue_()
    slow.wait_for_selector("#lightbox-eyes[data-started]", timeout=30_000)
    assert not slow.evaluate("document.querySelector('.lb-columns').inert")


def test_the_page_says_how_good_the_model_is(eyes: EyeServer, visit: Visit) -> None:
    """Accuracy with its interval, and the limits, stand on the page behind one click."""
    page = visit(eyes.page).page
    assert not page.is_visible(".lb-how li")
    page.click(".lb-how summary")
    told = page.inner_text(".lb-how")
    assert "Balanced accuracy over Cataract, Conjunctivitis, Healthy" in told
    assert "95 % interval" in told
    assert "Stye has 8 photographs" in told

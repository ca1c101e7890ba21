"""The webcam tab, from a fake camera to a result."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Server
from tests.ui_gradio.serving import EyeServer, serving
from tests.ui_gradio.stand_ins import StandInScreener, StandInStream, slow

pytestmark = pytest.mark.browser

COACH = "#lb-webcam .lb-coach"


@pytest.mark.slow
def test_a_face_in_front_of_the_camera_gets_a_result(server: Server, visit: Visit) -> None:
    """With the real models: five frames of each eye, then both answers; the camera is off."""
    page = visit(f"{server.url}/eyes/").page
    page.click("[data-do=start]")
    page.wait_for_selector(".lb-card", timeout=90_000)
    assert page.locator(".lb-meter-count").all_inner_texts() == ["5 of 5", "5 of 5"]
    assert page.locator(".lb-card h3").all_inner_texts() == ["Right eye", "Left eye"]
    for card in page.locator(".lb-card").all():
        assert card.locator(".lb-score").count() == 4
        assert card.locator(".lb-figure img").first.evaluate("image => image.naturalWidth") == 144
    assert page.inner_text(COACH) == "Done. The camera is off."
    assert page.evaluate("document.querySelector('#lb-webcam video').srcObject") is None


def test_boxes_coach_and_progress_are_live(visit: Visit) -> None:
    """While frames flow, boxes are drawn, a line coaches, the count grows, and Stop stops."""
    StandInStreamOf200 = type("StandInStreamOf200", (StandInStream,), {"needed": 200})  # noqa: N806
    screener = StandInScreener()
    screener.new_stream = lambda: StandInStreamOf200(screener)
    with serving(screener) as eyes:
        page = visit(eyes.page).page
        page.click("[data-do=start]")
        page.wait_for_function("document.querySelector('.lb-stage').dataset.frames > 5")
        assert page.get_attribute(".lb-stage", "data-state") == "on"
        assert page.inner_text(COACH) in {"Come a little closer.", "Hold still."}
        assert page.evaluate(
            """() => {
                const canvas = document.querySelector(".lb-stage canvas");
                const pen = canvas.getContext("2d");
                const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
                return data.some((value) => value > 0);
            }"""
        )
        page.click("[data-do=stop]")
        assert page.inner_text(COACH) == "The camera is off."
        sent = len(screener.seen), page.get_attribute(".lb-stage", "data-frames")
        page.wait_for_timeout(500)
        assert sent == (len(screener.seen), page.get_attribute(".lb-stage", "data-frames"))


def test_frames_leave_unmirrored(eyes: EyeServer, visit: Visit) -> None:
    """The person sees a mirror; the engine gets the picture as the camera took it."""
    page = visit(eyes.page).page
    eyes.screener.seen.clear()
    page.click("[data-do=start]")
    page.wait_for_selector(".lb-card", timeout=30_000)
    assert page.get_attribute(".lb-stage", "data-mirrored") == "true"
    frame = eyes.screener.seen[-1]
    assert frame.shape == (480, 640, 3)
    # The astronaut's helmet ring and the flag: orange is lower left, red on the right.
    half = frame[380:, :320].mean(axis=(0, 1)) - frame[380:, 320:].mean(axis=(0, 1))
    from skimage import data

    face = data.astronaut()[40:190, 124:324]
    true = face[119:, :100].mean(axis=(0, 1)) - face[119:, 100:].mean(axis=(0, 1))
    assert abs(half - true).max() < 12
    assert abs(half + true).max() > 12


def test_leaving_the_tab_turns_the_camera_off(visit: Visit) -> None:
    """Who goes to the Photo tab is not watched any more."""
    with serving(StandInScreener(before=slow(1))) as eyes:
        page = visit(eyes.page).page
        page.click("[data-do=start]")
        page.wait_for_selector(".lb-stage[data-state=on]")
        page.click("#lb-tab-photo")
        assert page.evaluate("document.querySelector('#lb-webcam video').srcObject") is None


def test_no_permission_is_explained(eyes: EyeServer, visit: Visit) -> None:
    """Without a camera the line says what to do."""
    page = visit(eyes.page).page
    page.evaluate(
        """() => {
            navigator.mediaDevices.getUserMedia = () =>
                Promise.reject(new DOMException("no", "NotAllowedError"));
        }"""
    )
    page.click("[data-do=start]")
    page.wait_for_function(
        "document.querySelector('#lb-webcam .lb-coach-text').textContent.includes('Allow it')"
    )
    assert page.is_enabled("[data-do=start]")


def test_a_busy_server_is_waited_for(visit: Visit) -> None:
    """A 429 is no error to the visitor: the page says so and goes on when there is room."""
    with serving(queue_size=1) as eyes:
        watched = visit(eyes.page)
        with eyes.admission.visit():
            watched.page.click("[data-do=start]")
            watched.page.wait_for_function(
                "document.querySelector('#lb-webcam .lb-coach-text').textContent.includes('busy')",
                timeout=15_000,
            )
        watched.page.wait_for_selector(".lb-card", timeout=30_000)
        # The browser itself notes each refused request; that is all it may note.
        assert all("429" in text for text in watched.complaints)
        watched.complaints.clear()

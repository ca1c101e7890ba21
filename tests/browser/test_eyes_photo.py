"""The photo tab, its results, and the downloads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.conftest import Server
from tests.ui_gradio.serving import EyeServer, png, serving

pytestmark = pytest.mark.browser


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture that the stand-in is sure of."""
    path = tmp_path / "photo.png"
    path.write_bytes(png("red", width=400, height=300))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["face", "healthy", "cataract", "conjunctivitis", "stye", "not-an-eye"]
)
def test_every_example_leads_to_an_answer(server: Server, visit: Visit, name: str) -> None:
    """With the real models: a picture that is no eye gets no scores, the others a card each."""
    watched = visit(f"{server.url}/eyes/")
    watched.choose(f"{name}.jpg")
    page = watched.page
    assert page.locator(".lb-error").count() == 0
    assert page.locator(".lb-card").count() == (2 if name == "face" else 1)
    if name == "not-an-eye":
        assert page.locator(".lb-score").count() == 0
    assert page.inner_text("#lb-photo .lb-coach").startswith("Checked: ")


def test_an_upload_shows_picture_scores_reasons_and_next_steps(
    eyes: EyeServer, visit: Visit, photo: Path
) -> None:
    """One card per eye with all parts, boxes on the picture, the person's right eye first."""
    watched = visit(eyes.page)
    watched.upload(photo)
    page = watched.page
    assert page.locator(".lb-card h3").all_inner_texts() == ["Right eye", "Left eye"]
    card = page.locator(".lb-card").first
    assert "Clear result" in card.inner_text()
    assert card.locator(".lb-score b").first.inner_text() == "Conjunctivitis"
    assert card.locator(".lb-percent").first.inner_text() == "90.0 %"
    assert "What to do next" in card.inner_text()
    assert "Heat map supported" in card.inner_text()
    assert page.locator(".lb-photo-boxes span").count() == 2
    assert page.inner_text("#lb-photo .lb-coach") == "Checked: photo.png."


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ("blue", ["Not clear", "Cataract or Healthy", "Two answers stay possible."]),
        ("white", ["Take another picture", "A reflection covers the pupil.", "Turn away"]),
        ("black", ["No eye to judge", "No eye in view", "No eye is in this picture."]),
    ],
)
def test_an_abstention_says_why_and_what_to_do(
    eyes: EyeServer, visit: Visit, tmp_path: Path, colour: str, words: list[str]
) -> None:
    """Uncertain, retake and no eye at all are told in words."""
    path = tmp_path / "photo.png"
    path.write_bytes(png(colour))
    watched = visit(eyes.page)
    watched.upload(path)
    text = watched.page.inner_text(".lb-card >> nth=0")
    assert [word for word in words if word not in text] == []


def test_the_slider_fades_the_heat_without_asking_the_server(
    eyes: EyeServer, visit: Visit, photo: Path
) -> None:
    """Opacity follows the slider at once and no request leaves."""
    watched = visit(eyes.page)
    watched.upload(photo)
    page = watched.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.locator(".lb-slider input").first
    slider.fill("0")
    heat = page.locator(".lb-heat").first
    assert heat.evaluate("node => getComputedStyle(node).opacity") == "0"
    slider.press("End")
    assert heat.evaluate("node => getComputedStyle(node).opacity") == "1"
    assert asked == []


def test_downloads_are_made_on_the_page(eyes: EyeServer, visit: Visit, photo: Path) -> None:
    """JSON and report come from the page's memory: nothing is left on the server for others."""
    watched = visit(eyes.page)
    watched.upload(photo)
    page = watched.page
    with page.expect_download() as taken:
        page.click("[data-do=json]")
    document = json.loads(Path(taken.value.path()).read_text(encoding="utf-8"))
    assert document["left_eye"]["best_prediction"] == "Conjunctivitis"
    assert taken.value.url.startswith("blob:")
    with page.expect_download() as taken:
        page.click("[data-do=report]")
    report = Path(taken.value.path()).read_text(encoding="utf-8")
    assert "not a medical device" in report
    assert taken.value.suggested_filename.endswith(".html")


def test_pictures_can_be_pasted_and_dropped(eyes: EyeServer, visit: Visit) -> None:
    """Both lead to the same check as choosing a file."""
    page = visit(eyes.page).page
    bytes_ = list(png("green", width=80, height=60))
    make = """bytes => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "given.png", { type: "image/png" }));
        return data;
    }"""
    handle = page.evaluate_handle(make, bytes_)
    page.evaluate(
        "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        handle,
    )
    page.wait_for_selector(".lb-card >> nth=1")
    assert page.is_visible("#lb-photo")
    assert "healthy" in page.inner_text(".lb-card >> nth=0")
    page.dispatch_event(".lb-drop", "drop", {"dataTransfer": page.evaluate_handle(make, bytes_)})
    page.wait_for_function(
        "document.querySelector('#lb-photo .lb-coach-text').textContent === 'Checked: given.png.'"
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "image: "), (b"", "image: ")],
)
def test_a_bad_file_gets_the_engine_s_sentence(
    eyes: EyeServer, visit: Visit, tmp_path: Path, data: bytes, sentence: str
) -> None:
    """The sentence stands where the result would be, and the next file works."""
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    watched = visit(eyes.page)
    watched.upload(path)
    assert watched.page.locator(".lb-card").count() == 0
    text = watched.page.inner_text(".lb-error")
    assert sentence.removeprefix("image: ") in text
    watched.complaints.clear()  # the browser notes the refused request
    path.write_bytes(png("green"))
    watched.page.set_input_files("[data-do=choose]", path)
    watched.page.wait_for_selector(".lb-card")


def test_a_file_over_the_limit_is_not_even_sent(visit: Visit, tmp_path: Path) -> None:
    """The page knows the limit and says it."""
    path = tmp_path / "photo.png"
    path.write_bytes(bytes(1_200_000))
    with serving(max_upload_mb=1) as eyes:
        page = visit(eyes.page).page
        page.click("#lb-tab-photo")
        page.set_input_files("[data-do=choose]", path)
        assert "has 1.2 MB, but at most 1 MB" in page.inner_text("#lb-photo .lb-coach")
        page.context.close()  # before its server ends: a page that is left asks for it


def test_two_visitors_never_see_each_other(eyes: EyeServer, visit: Visit, tmp_path: Path) -> None:
    """Two browsers, two pictures: each page, its JSON and its addresses hold its own alone."""
    pages = {}
    for colour in ("red", "green"):
        path = tmp_path / f"{colour}-secret.png"
        path.write_bytes(png(colour, width=300, height=200))
        watched = visit(eyes.page)
        asked: list[str] = []
        watched.page.on("request", lambda request, asked=asked: asked.append(request.url))
        watched.upload(path)
        pages[colour] = (watched.page, asked)
    red, green = pages["red"][0].content(), pages["green"][0].content()
    assert "red-secret" in red
    assert "red-secret" not in green
    assert "Resembles healthy eyes" in green
    assert "Resembles healthy eyes" not in red
    # What one browser was answered, the other cannot ask for.
    for url in pages["red"][1]:
        if url.startswith(eyes.url) and "/call/upload/" in url:
            answer = pages["green"][0].request.get(url)
            assert answer.status == 422
            assert "was read before" in answer.text()

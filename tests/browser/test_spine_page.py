"""The vertebra page: from a CT to its result, linked views, names, files, and who may see them."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit, Watched
from tests.browser.test_eyes_page import CONTRAST, PHONE
from tests.ui_gradio.spine.serving import SpineServer, serving_spine
from tests.ui_gradio.spine.stand_ins import StandInRunner, phantom

pytestmark = pytest.mark.browser

PLANES = ("sagittal", "coronal", "axial")
READ = """
    window.pixelOf = (plane, at) => {
        const canvas = document.querySelector(`[data-plane=${plane}] canvas.sp-picture`);
        const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        const ratio = canvas.width / canvas.clientWidth;
        copy.drawImage(canvas, -Math.floor(at.x * ratio), -Math.floor(at.y * ratio));
        return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
"""
NO_WEBGL = """
    const real = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return kind.startsWith("webgl") ? null : real.call(this, kind, ...more);
    };
"""
WATCH = """
    window.seen = [];
    const part = (name) => document.querySelector(`.sp-${name}`)?.textContent ?? "";
    new MutationObserver(() => seen.push([part("step"), part("percent")])).observe(
        document.querySelector(".sp-progress"),
        { childList: true, subtree: true, characterData: true },
    );
"""
SEEN = "[data-plane=sagittal][data-labelled=true]"


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """The phantom as a NIfTI file."""
    path = tmp_path / "back.nii.gz"
    volume = phantom().volume
    nibabel.Nifti1Image(volume.voxels.astype(np.int16), volume.affine).to_filename(path)
    return path


def upload(page: Page, *paths: Path) -> None:
    """Choose files as a visitor does, and wait for what was read."""
    page.set_input_files("[data-do=files]", paths)
    page.wait_for_selector(".sp-read:not([hidden]), .sp-problem:not([hidden])", timeout=30_000)


def find(page: Page) -> None:
    """Start, and wait until the result is drawn; on a phone one view is there at a time."""
    page.click("[data-do=start]:enabled")
    page.wait_for_selector(SEEN, timeout=60_000)


def found(watched: Watched, example: str = "lumbar") -> Page:
    """Go the shortest way to a result."""
    page = watched.page
    page.click(f"[data-example={example}]")
    page.wait_for_selector("[data-do=start]:enabled")
    find(page)
    return page


def run_of(page: Page) -> str:
    """Return the id of the run whose result is shown."""
    return (
        page.get_attribute("[data-file='result.json'] a", "href").split("/runs/")[1].split("/")[0]
    )


def document_of(page: Page) -> dict[str, Any]:
    """Return the result as the server tells it."""
    return page.request.get(f"{page.url.split('#')[0]}runs/{run_of(page)}").json()


def labels_in(page: Page) -> list[str]:
    """Return the names in the table."""
    return [text.strip() for text in page.locator(".sp-level").all_inner_texts()]


def place_in(view: dict[str, Any], point: dict[str, float]) -> np.ndarray:
    """Return column, row and slice of a point in mm, from the geometry in the document."""
    steps = np.array([view["right_mm"], view["down_mm"], view["next_mm"]]).T
    return np.linalg.solve(steps, np.array([point[a] for a in "xyz"]) - view["origin_mm"])


def on_screen(page: Page, plane: str, view: dict[str, Any], place: np.ndarray) -> dict[str, float]:
    """Return where a pixel of a view lies on its stage: the picture is fitted and centred."""
    box = page.locator(f"[data-plane={plane}] .sp-stage").bounding_box()
    scale = min(box["width"] / view["width"], box["height"] / view["height"])
    left = (box["width"] - view["width"] * scale) / 2
    top = (box["height"] - view["height"] * scale) / 2
    return {"x": left + (place[0] + 0.5) * scale, "y": top + (place[1] + 0.5) * scale}


def slices(page: Page) -> dict[str, int]:
    """Return which slice each view shows."""
    return {
        plane: int(page.input_value(f"[data-plane={plane}] > input[type=range]"))
        for plane in PLANES
    }


def expected_slices(document: dict[str, Any], point: dict[str, float]) -> dict[str, int]:
    """Return the slices that pass through a point."""
    return {
        plane: int(np.floor(place_in(document["views"][plane], point)[2] + 0.5)) for plane in PLANES
    }


def pixel(page: Page, plane: str, at: dict[str, float]) -> list[int]:
    """Return red, green and blue of a view's canvas at a point of its stage."""
    return page.evaluate("([plane, at]) => pixelOf(plane, at)", [plane, at])


def download(page: Page, name: str) -> bytes:
    """Click a download and return its bytes."""
    with page.expect_download() as taken:
        page.click(f"[data-file='{name}'] a")
    assert taken.value.suggested_filename == name
    return Path(taken.value.path()).read_bytes()


def test_an_upload_is_told_then_priced_then_watched_then_shown(
    visit: Visit, ct: Path, tmp_path: Path
) -> None:
    """File, facts, price of each backend, growing progress with a way out, and the result."""
    with serving_spine(StandInRunner(tmp_path / "runs", steps=8, step_s=0.15)) as spine:
        page = visit(spine.page).page
        upload(page, ct)
        told = page.inner_text(".sp-facts")
        assert "back.nii.gz" in told
        assert "70 × 70 × 90" in told
        assert "3.00 × 3.00 × 3.00 mm" in told
        assert (
            page.inner_text(".sp-cost")
            == "About 4 s, 900 MB of memory on this computer, as things are now."
        )
        absent = page.locator("[data-backend=nnunet]")
        assert absent.locator("input[type=radio]").is_disabled()
        assert "Download the weights first." in absent.inner_text()
        assert "Download model" in absent.inner_text()
        page.evaluate(WATCH)
        page.click("[data-do=start]")
        page.wait_for_selector(SEEN, timeout=60_000)
        seen = page.evaluate("seen")
        shares = [int(share.removesuffix(" %")) for _, share in seen if share]
        assert len({words for words, _ in seen if words.startswith("Patch ")}) >= 3
        assert shares == sorted(shares)
        assert len(set(shares)) >= 3
        document = document_of(page)
        assert labels_in(page) == [one["label"] for one in document["vertebrae"]]
        assert page.inner_text(".sp-verdict h2") == document["audit"]["sentences"][0]


def test_a_click_on_a_vertebra_moves_the_other_views_and_marks_its_row(
    spine: SpineServer, visit: Visit
) -> None:
    """Sagittal click: crosshair there, coronal and axial slices through it, row and 3-D marked."""
    page = found(visit(spine.page))
    document = document_of(page)
    vertebra = document["vertebrae"][-2]
    view = document["views"]["sagittal"]
    point = on_screen(page, "sagittal", view, place_in(view, vertebra["center_mm"]))
    page.click("[data-plane=sagittal] .sp-stage", position=point)
    row = page.locator("tbody.sp-chosen")
    assert row.get_attribute("data-label") == vertebra["label"]
    expected = expected_slices(document, vertebra["center_mm"])
    shown = slices(page)
    assert abs(shown["coronal"] - expected["coronal"]) <= 1
    assert abs(shown["axial"] - expected["axial"]) <= 1
    assert page.inner_text("[data-plane=solid] .sp-where") == vertebra["label"]


def test_a_click_on_a_row_moves_all_views(spine: SpineServer, visit: Visit) -> None:
    """Each view shows the slice through the centre, and its pixels have the vertebra's colour."""
    page = found(visit(spine.page, script=READ))
    document = document_of(page)
    for vertebra in (document["vertebrae"][2], document["vertebrae"][-1]):
        page.click(f"tbody[data-label='{vertebra['label']}']")
        assert slices(page) == expected_slices(document, vertebra["center_mm"])
    axial = document["views"]["axial"]
    page.wait_for_selector(f"[data-plane=axial][data-drawn='{slices(page)['axial']}']")
    at = on_screen(page, "axial", axial, place_in(axial, vertebra["center_mm"]))
    page.wait_for_function(
        "document.querySelector('[data-plane=axial]').dataset.labelled == 'true'"
    )
    red, green, blue = pixel(page, "axial", at)
    colour = document["palette"][str(vertebra["code"])]
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    got = np.array([red, green, blue])
    assert np.ptp(got) > 30  # a CT alone is grey
    assert np.argmax(got) == np.argmax(wanted)


def test_window_opacity_and_outline_change_the_pixels(spine: SpineServer, visit: Visit) -> None:
    """Labels fade and go; another window gives another grey."""
    page = found(visit(spine.page, script=READ))
    document = document_of(page)
    view = document["views"]["axial"]
    vertebra = document["vertebrae"][3]
    page.click(f"tbody[data-label='{vertebra['label']}']")
    page.wait_for_selector(
        f"[data-plane=axial][data-drawn='{slices(page)['axial']}'][data-labelled=true]"
    )
    at = on_screen(page, "axial", view, place_in(view, vertebra["center_mm"]))
    filled = pixel(page, "axial", at)
    page.locator(".sp-opacity input").fill("0")
    bare = pixel(page, "axial", at)
    assert np.ptp(filled) > np.ptp(bare)
    assert np.ptp(bare) <= 2
    page.locator(".sp-opacity input").fill("60")
    page.get_by_role("radio", name="Hidden").check()
    assert pixel(page, "axial", at) == bare
    with page.expect_response("**/slices/axial/*.png?window=lung") as answer:
        page.get_by_role("radio", name="Lung").check()
    assert answer.value.status == 200
    page.wait_for_function(
        "([at, before]) => pixelOf('axial', at)[0] !== before", arg=[at, bare[0]]
    )


def test_slices_are_leafed_by_wheel_keys_drag_and_slider(spine: SpineServer, visit: Visit) -> None:
    """Four ways, one slice counter; plus zooms."""
    page = found(visit(spine.page))
    stage = page.locator("[data-plane=axial] .sp-stage")
    stage.scroll_into_view_if_needed()
    start = slices(page)["axial"]
    stage.hover()
    page.mouse.wheel(0, 100)
    page.wait_for_function(f"document.querySelector('[data-plane=axial] > input').value != {start}")
    by_wheel = slices(page)["axial"]
    page.focus("[data-plane=axial] canvas.sp-picture")
    page.keyboard.press("ArrowUp")
    assert slices(page)["axial"] == by_wheel - 1
    page.keyboard.press("Home")
    assert slices(page)["axial"] == 0
    page.locator("[data-plane=axial] > input").fill("7")
    assert page.inner_text("[data-plane=axial] .sp-where").startswith("8 of ")
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 80, steps=4)
    page.mouse.up()
    assert slices(page)["axial"] == 11
    page.keyboard.press("+")
    assert page.inner_text(".sp-zoom output") == "1.5×"


def test_moved_names_reach_table_views_and_files(spine: SpineServer, visit: Visit) -> None:
    """One click moves all names and the CSV says the same; the other button undoes it."""
    page = found(visit(spine.page))
    before = labels_in(page)
    page.click("[data-shift='-1']")
    page.wait_for_function(f"document.querySelector('.sp-level').textContent != {before[0]!r}")
    after = labels_in(page)
    assert after[1:] == before[:-1]
    assert document_of(page)["shift"] == -1
    rows = list(csv.DictReader(io.StringIO(download(page, "vertebrae.csv").decode())))
    assert [row["label"] for row in rows] == after
    page.wait_for_function(
        "document.querySelector('[data-plane=sagittal]').dataset.labelled == 'true'"
    )
    page.click("[data-shift='1']")
    page.wait_for_function(f"document.querySelector('.sp-level').textContent == {before[0]!r}")
    assert labels_in(page) == before


def test_the_label_map_is_that_of_the_views(
    spine: SpineServer, visit: Visit, tmp_path: Path
) -> None:
    """The downloaded NIfTI has the phantom's grid, and each code lies where the JSON says."""
    page = found(visit(spine.page))
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(download(page, "labels.nii.gz"))
    image = nibabel.load(path)
    labels = np.asarray(image.dataobj)
    np.testing.assert_allclose(image.affine, phantom().volume.affine, atol=1e-3)
    assert labels.shape == phantom().labels.shape
    for vertebra in document_of(page)["vertebrae"]:
        low, high = (vertebra["bounds"][end] for end in ("min", "max"))
        box = labels[tuple(slice(low[a], high[a] + 1) for a in "xyz")]
        assert (box == vertebra["code"]).any()
    assert "did not come as DICOM" in page.inner_text("[data-file='labels.dcm']")


def test_a_run_can_be_cancelled(visit: Visit, ct: Path, tmp_path: Path) -> None:
    """Cancel ends the run on the server, leaves nothing there, and the page starts again."""
    runner = StandInRunner(tmp_path / "runs", steps=400, step_s=0.1)
    with serving_spine(runner) as spine:
        page = visit(spine.page).page
        upload(page, ct)
        page.click("[data-do=start]")
        page.wait_for_selector(".sp-step")
        page.wait_for_function("document.querySelector('.sp-step').textContent.startsWith('Patch')")
        page.click("[data-do=cancel-run]")
        page.wait_for_selector(".sp-start:not([hidden])")
        assert page.inner_text(".sp-told") == "Stopped. Nothing of it was kept."
        _wait_until(lambda: runner.all_runs[0].cancelled.is_set() and not runner.runs)
        assert [path for path in spine.folder.rglob("*") if path.is_file()] == []


def test_leaving_the_page_forgets_the_run(visit: Visit, tmp_path: Path) -> None:
    """A reload starts clean, and the server no longer has the result."""
    runner = StandInRunner(tmp_path / "runs")
    with serving_spine(runner) as spine:
        page = found(visit(spine.page))
        assert len(runner.runs) == 1
        page.reload()
        page.wait_for_selector(".sp-start:not([hidden])")
        _wait_until(lambda: not runner.runs)
        found(Watched(page=page))
        page.click("[data-do=forget]")
        page.wait_for_selector(".sp-start:not([hidden])")
        assert "forgotten" in page.inner_text(".sp-told")
        _wait_until(lambda: not runner.runs)


@pytest.mark.parametrize(
    ("data", "starts", "sentence"),
    [(b"bad: a letter", False, "the file is a text"), (b"fail later", True, "the file is empty")],
)
def test_what_goes_wrong_is_a_sentence(
    spine: SpineServer,
    visit: Visit,
    tmp_path: Path,
    ct: Path,
    data: bytes,
    *,
    starts: bool,
    sentence: str,
) -> None:
    """A file that is no CT, and a run that fails: an alert in the page, and the next CT works."""
    path = tmp_path / "letter.nii"
    path.write_bytes(data)
    watched = visit(spine.page)
    page = watched.page
    upload(page, path)
    if starts:
        page.click("[data-do=start]")
        page.wait_for_selector(".sp-problem:not([hidden])")
    assert sentence in page.get_by_role("alert").inner_text()
    assert page.is_visible(".sp-start")
    watched.complaints.clear()  # the browser notes the refused request
    upload(page, ct)
    find(page)
    assert page.is_hidden(".sp-problem")


def test_a_file_over_the_limit_is_not_even_sent(visit: Visit, tmp_path: Path) -> None:
    """The page knows the limit and says it."""
    path = tmp_path / "large.nii"
    path.write_bytes(bytes(1_200_000))
    with serving_spine(max_volume_mb=1) as spine:
        page = visit(spine.page).page
        page.set_input_files("[data-do=files]", path)
        assert "has 1.2 MB, but at most 1.0 MB" in page.inner_text(".sp-problem")


def test_a_folder_keeps_its_files_together(
    spine: SpineServer, visit: Visit, tmp_path: Path
) -> None:
    """All files of a folder go in one upload, without what file managers left."""
    folder = tmp_path / "series"
    folder.mkdir()
    for name in ("1.dcm", "2.dcm", "3.dcm", ".DS_Store"):
        (folder / name).write_bytes(b"x" * 200)
    page = visit(spine.page).page
    page.set_input_files("[data-do=folder]", folder)
    page.wait_for_selector(".sp-read:not([hidden])")
    told = page.inner_text(".sp-facts")
    assert "series (3 files)" in told
    assert "3 slices" in told


def test_a_model_is_downloaded_from_the_page(visit: Visit) -> None:
    """The button shows progress and makes the backend ready to choose."""
    with serving_spine() as spine:
        watched = visit(spine.page)
        page = watched.page
        page.click("[data-example=lumbar]")
        option = page.locator("[data-backend=nnunet]")
        option.locator("[data-do=download-model]").click()
        page.wait_for_selector("[data-backend=nnunet][data-ready=true]")
        assert option.locator("input[type=radio]").is_checked()
        assert page.is_enabled("[data-do=start]")


def test_two_visitors_have_each_their_own(spine: SpineServer, visit: Visit) -> None:
    """Two results side by side; names that one moves stay where they are for the other."""
    one, other = found(visit(spine.page)), found(visit(spine.page))
    assert run_of(one) != run_of(other)
    before = labels_in(other)
    one.click("[data-shift='-1']")
    one.wait_for_function(f"document.querySelector('.sp-level').textContent != {before[0]!r}")
    assert document_of(other)["shift"] == 0
    assert run_of(one) not in other.content()
    assert labels_in(other) == before


def test_the_mesh_is_drawn_turned_and_clicked(spine: SpineServer, visit: Visit) -> None:
    """WebGL shows coloured surfaces; keys turn them; a click chooses the vertebra under it."""
    page = found(visit(spine.page))
    page.wait_for_selector("[data-plane=solid][data-kind=mesh]", timeout=30_000)
    page.locator("[data-plane=solid]").scroll_into_view_if_needed()
    picture = page.locator("[data-plane=solid] .sp-stage")
    page.wait_for_timeout(300)
    before = picture.screenshot()
    page.focus("[data-plane=solid] canvas")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert picture.screenshot() != before
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    chosen = page.locator("tbody.sp-chosen")
    assert chosen.count() == 1
    document = document_of(page)
    vertebra = next(
        v for v in document["vertebrae"] if v["label"] == chosen.get_attribute("data-label")
    )
    assert slices(page) == expected_slices(document, vertebra["center_mm"])


def test_without_webgl_the_server_draws(spine: SpineServer, visit: Visit) -> None:
    """A picture stands in for the mesh and turns by its buttons."""
    page = found(visit(spine.page, script=NO_WEBGL))
    page.wait_for_selector("[data-plane=solid][data-kind=picture]")
    image = page.locator("[data-plane=solid] img")
    page.wait_for_function("document.querySelector('[data-plane=solid] img').naturalWidth > 100")
    first = image.get_attribute("src")
    page.click("[data-turn=right]")
    page.wait_for_function("document.querySelector('[data-plane=solid] img').complete")
    assert image.get_attribute("src") != first


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_one_view_at_a_time(spine: SpineServer, visit: Visit, scheme: str) -> None:
    """At 390 px nothing is wider than the screen, controls are large, all text stands out."""
    watched = visit(spine.page, color_scheme=scheme, **PHONE)
    page = watched.page
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 390
    assert page.evaluate(CONTRAST) == []
    page.click("[data-example=lumbar]")
    page.wait_for_selector("[data-do=start]:enabled")
    assert page.evaluate(wide) == 390
    find(page)
    for details in page.locator("details > summary:visible").all():
        details.click()
    assert page.evaluate(wide) == 390
    assert page.evaluate(CONTRAST) == []
    for plane in ("Coronal", "Axial", "3-D", "Sagittal"):
        page.get_by_role("radio", name=plane, exact=True).check()
        assert page.locator(".sp-pane:visible").count() == 1
        assert plane in page.inner_text(".sp-pane:visible figcaption")
    page.tap("[data-plane=sagittal] .sp-stage")
    small = page.evaluate(
        """[...document.querySelectorAll(".lb button, .lb label.lb-button, .lb .sp-segments label")]
            .filter((node) => node.offsetParent)
            .map((node) => [node.textContent, node.getBoundingClientRect()])
            .filter(([, box]) => box.height < 36 || box.width < 44)
            .map(([text]) => text)"""
    )
    assert small == []


def test_text_stands_out_on_a_large_dark_screen(spine: SpineServer, visit: Visit) -> None:
    """In the dark setting, too, all text of a result reaches WCAG AA."""
    page = found(visit(spine.page, color_scheme="dark"))
    assert page.evaluate(CONTRAST) == []


def test_the_whole_way_by_keyboard(spine: SpineServer, visit: Visit) -> None:
    """Skip link, file button, example, backend, start; then rows by arrows and the views follow."""
    page = visit(spine.page).page
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.dataset.do") == "files"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.dataset.example") == "lumbar"
    page.keyboard.press("Enter")
    page.wait_for_selector(".sp-read:not([hidden])")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.dataset.do") == "start":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(SEEN, timeout=60_000)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.className") == "sp-level":
            break
    document = document_of(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    third = document["vertebrae"][2]
    assert page.evaluate(f"{focused}.textContent") == third["label"]
    assert slices(page) == expected_slices(document, third["center_mm"])
    assert page.inner_text("#sp-said") == f"{third['label']} chosen."


def test_a_screen_reader_finds_names_roles_and_news(spine: SpineServer, visit: Visit) -> None:
    """Every control has a name, pictures have texts, the notice stands there once."""
    page = found(visit(spine.page))
    unnamed = page.evaluate(
        """[...document.querySelectorAll(".lb button, .lb input, .lb select, .lb canvas[tabindex]")]
            .filter((node) => !(node.textContent.trim() || node.ariaLabel
                || [...(node.labels ?? [])].some((label) => label.textContent.trim())))
            .map((node) => node.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator(".lb img:not([alt])").count() == 0
    assert page.locator("#sp-said[aria-live=polite]").count() == 1
    assert page.get_by_role("row").count() > 5
    assert page.inner_text(".lb").lower().count("not a medical device") == 1


def test_the_code_on_the_page_runs(spine: SpineServer, visit: Visit, ct: Path) -> None:
    """The curl and Python lines work as they stand, for the address of this visit."""
    page = visit(spine.page).page
    page.click(".lb-code summary")
    curl, plain, client = page.locator(".lb-code pre").all_inner_texts()
    folder = ct.parent
    ct.rename(folder / "ct.nii.gz")
    if shutil.which("curl"):
        shell = subprocess.run(
            curl, shell=True, cwd=folder, capture_output=True, text=True, check=True
        )
        assert '"L3"' in shell.stdout
    for code in (plain, client):
        python = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
        )
        assert "L3" in python.stdout


def _wait_until(is_so: Any, limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)

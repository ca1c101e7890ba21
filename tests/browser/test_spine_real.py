"""The vertebra page on the real server: worker process, embedded network, real files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
from playwright.sync_api import Page

from engine.spine.phantoms import spine_phantom
from tests.browser.conftest import Visit
from tests.browser.test_spine_page import document_of, download, labels_in, run_of, upload
from tests.conftest import Server

pytestmark = pytest.mark.browser

PATIENT_S = 240_000  # ms; a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawn lumbar spine as a NIfTI file."""
    drawn = spine_phantom(
        np.random.default_rng(3), levels=("T12", "L5"), spacing_mm=4.0, fov_mm=(240.0, 240.0)
    )
    path = tmp_path_factory.mktemp("ct") / "drawn.nii.gz"
    voxels = drawn.volume.voxels.astype(np.int16)
    nibabel.Nifti1Image(voxels, drawn.volume.affine).to_filename(path)
    return path


def test_a_ct_becomes_a_result_that_agrees_with_its_files(
    server: Server, visit: Visit, ct: Path, tmp_path: Path
) -> None:
    """Upload, real detection, real network: table, JSON and label map tell the same vertebrae."""
    page = visit(f"{server.url}/spine/").page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    upload(page, ct)
    assert "About" in page.inner_text(".sp-cost")
    page.click("[data-do=start]:enabled")
    page.wait_for_selector(".sp-result:not([hidden])", timeout=PATIENT_S)
    document = document_of(page)
    assert document["backend"] == "embedded"
    assert labels_in(page) == [one["label"] for one in document["vertebrae"]]
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(download(page, "labels.nii.gz"))
    image = nibabel.load(path)
    codes = set(np.unique(np.asarray(image.dataobj)).tolist())
    assert {one["code"] for one in document["vertebrae"]} <= codes
    assert image.shape == nibabel.load(ct).shape
    assert [url for url in asked if not url.startswith((server.url, "blob:", "data:"))] == []


def test_a_cancelled_detection_leaves_no_process_and_no_file(
    server: Server, visit: Visit, ct: Path
) -> None:
    """Cancel while the worker is at work: the worker ends, and its folder goes."""
    page = visit(f"{server.url}/spine/").page
    upload(page, ct)
    page.click("[data-do=start]:enabled")
    page.wait_for_selector(".sp-run:not([hidden])")
    _wait_until(lambda: bool(_workers(server)))
    page.click("[data-do=cancel-run]", timeout=PATIENT_S)
    page.wait_for_selector(".sp-start:not([hidden])")
    _wait_until(lambda: not _workers(server))
    _wait_until(lambda: not _left_behind(server, ct))


def test_a_result_is_gone_once_its_page_is_left(server: Server, visit: Visit) -> None:
    """Forget now: the server answers 404 for the run, its slices and its files."""
    watched = visit(f"{server.url}/spine/")
    page = watched.page
    page.click("[data-example=lumbar]")
    page.click("[data-do=start]:enabled", timeout=PATIENT_S)
    page.wait_for_selector(".sp-result:not([hidden])", timeout=PATIENT_S)
    run = run_of(page)
    page.click("[data-do=forget]")
    page.wait_for_selector(".sp-start:not([hidden])")
    for path in ("", "/slices/axial/3.png", "/files/result.json"):
        _wait_until(lambda path=path: _status(page, f"{server.url}/spine/runs/{run}{path}") == 404)
    # A slice that was still on its way when the result went is answered 404, as it should be.
    watched.complaints[:] = [said for said in watched.complaints if "404" not in said]


def _status(page: Page, url: str) -> int:
    return page.request.get(url).status


def _workers(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    found = []
    for child in children:
        try:
            if "engine.spine.worker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:  # it has just ended
            continue
    return found


def _left_behind(server: Server, ct: Path) -> list[Path]:
    """Return copies of the CT, whatever they are called, and results below the server's home."""
    size = ct.stat().st_size
    files = [path for path in server.home.rglob("*") if path.is_file()]
    return [path for path in files if path.stat().st_size == size or path.name == "hu.npy"]


def _wait_until(is_so: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)

"""Downloading a model from a server that behaves well, and from ones that do not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.spine import weights
from engine.spine.weights import space
from engine.spine.weights.catalogue import WeightsModel, model_named
from engine.spine.weights.folders import CHECKPOINT, downloads_folder, weights_folder
from engine.spine.weights.locking import is_downloading
from engine.spine.weights.progress import DownloadProgress
from engine.spine.weights.transfer import Tuning
from tests.engine.spine.weights.releases import (
    Fault,
    Handler,
    Release,
    archive_of,
    model_files,
    send_head,
    serving,
    zip_of,
)

QUICK = Tuning(
    connect_timeout_s=1.0,
    stall_timeout_s=0.3,
    attempts=3,
    first_wait_s=0.01,
    longest_wait_s=0.05,
    report_every_s=0.0,
)
MODEL = model_named("total_fast")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def release() -> Iterator[Release]:
    with serving(Release(body=archive_of(MODEL))) as running:
        yield running


def settings_for(home: Path, release: Release) -> Settings:
    return Settings(home=home, weights_url=release.url)


def reports_of(settings: Settings, name: str = "total_fast") -> list[DownloadProgress]:
    return list(weights.download(settings, name, tuning=QUICK))


def state_of(settings: Settings, name: str = "total_fast") -> weights.ModelState:
    return next(state for state in weights.models(settings) if state.model.name == name)


def installed_checkpoint(settings: Settings, model: WeightsModel = MODEL) -> bytes:
    return (weights_folder(settings) / model.folder / model.inner_folder / CHECKPOINT).read_bytes()


def good_checkpoint(model: WeightsModel = MODEL, seed: int = 0) -> bytes:
    return model_files(model, seed=seed)[f"{model.folder}/{model.inner_folder}/{CHECKPOINT}"]


def leftovers(settings: Settings) -> set[str]:
    return {path.name for path in downloads_folder(settings).iterdir()} - {"lock", "progress.json"}


# --- a good server -------------------------------------------------------------------------------


def test_a_model_is_downloaded_checked_and_installed(home: Path, release: Release) -> None:
    """The reports run from checking to complete, and the files are those of the archive."""
    release.publish()
    settings = settings_for(home, release)
    reports = reports_of(settings)
    order = list(dict.fromkeys(report.status for report in reports))
    assert order == ["checking", "downloading", "verifying", "unpacking", "complete"]
    assert installed_checkpoint(settings) == good_checkpoint()
    assert state_of(settings).status == "installed"
    assert leftovers(settings) == set()
    assert release.agents[0] is not None
    assert release.agents[0].startswith("lightbox/")


def test_progress_counts_the_bytes(home: Path, release: Release) -> None:
    """MB never fall while downloading and end at the size of the archive."""
    reports = reports_of(settings_for(home, release))
    loaded = [r.downloaded_mb for r in reports if r.status == "downloading"]
    assert loaded == sorted(loaded)
    assert loaded[-1] == pytest.approx(len(release.body) / 1e6)
    assert {r.total_mb for r in reports if r.status == "downloading"} == {len(release.body) / 1e6}
    assert reports[-1].document()["progress"] == 1.0


def test_the_older_name_downloads_the_default_model(home: Path, release: Release) -> None:
    """``vertebrae`` is the model at 3 mm."""
    settings = settings_for(home, release)
    assert reports_of(settings, "vertebrae")[-1].status == "complete"
    assert state_of(settings, "total_fast").status == "installed"


def test_an_unknown_name_fails_with_the_names(home: Path, release: Release) -> None:
    """Asking for a model that does not exist says which do, and asks no server."""
    (report,) = reports_of(settings_for(home, release), "liver")
    assert report.status == "failed"
    assert "total_fast" in report.text
    assert report.document()["error"]["code"] == "bad_request"
    assert release.ranges == []


def test_what_is_installed_is_not_downloaded_again(home: Path, release: Release) -> None:
    """A second call is complete at once, without a request."""
    settings = settings_for(home, release)
    reports_of(settings)
    asked = len(release.ranges)
    assert reports_of(settings)[-1].status == "complete"
    assert len(release.ranges) == asked


def test_the_manifest_names_every_file_with_its_checksum(home: Path, release: Release) -> None:
    """``lightbox.json`` holds the SHA-256 of what lies beside it, and says what was compared."""
    release.publish()
    settings = settings_for(home, release)
    reports_of(settings)
    folder = weights_folder(settings) / MODEL.folder
    manifest = json.loads((folder / "lightbox.json").read_text())
    assert manifest["archive_sha256"] == hashlib.sha256(release.body).hexdigest()
    assert manifest["archive_compared_with"] == "the checksum beside the file"
    assert len(manifest["files"]) == 3
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert weights.verify(settings, "total_fast").checked == 3
    assert weights.verify(settings, "total_fast").is_whole


def test_without_a_published_checksum_that_is_said(home: Path, release: Release) -> None:
    """Nothing is claimed: the report and the manifest say that none was published."""
    settings = settings_for(home, release)
    texts = [r.text for r in reports_of(settings) if r.status == "verifying"]
    assert "no checksum published" in texts[0]
    manifest = json.loads((weights_folder(settings) / MODEL.folder / "lightbox.json").read_text())
    assert manifest["archive_compared_with"] == "no checksum published"


# --- breaks --------------------------------------------------------------------------------------


def breaking_off(after: int, times: int) -> Fault:
    """Return a fault that sends ``after`` bytes of what was asked for and hangs up, some times."""
    left = [times]

    def fault(release: Release, handler: Handler) -> bool:
        if not left[0]:
            return False
        left[0] -= 1
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        total = len(release.body)
        headers = {"Content-Length": str(total - start), "ETag": release.tag}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        send_head(handler, 206 if asked else 200, headers)
        handler.wfile.write(release.body[start : start + after])
        return True

    return fault


def test_a_broken_connection_is_continued_where_it_broke(home: Path, release: Release) -> None:
    """Each further request asks for the rest only, and the result is the whole file."""
    release.fault = breaking_off(100_000, times=2)
    release.publish()
    settings = settings_for(home, release)
    reports = reports_of(settings)
    assert reports[-1].status == "complete", reports[-1].text
    assert release.ranges == [None, "bytes=100000-", "bytes=200000-"]
    assert any("The connection broke" in r.text for r in reports)
    assert installed_checkpoint(settings) == good_checkpoint()


def test_a_download_is_continued_by_a_later_one(home: Path, release: Release) -> None:
    """What came before a failure is kept on the disk; the next download asks for the rest."""
    first = breaking_off(100_000, times=1)
    release.fault = lambda r, h: first(r, h) or _500(h)
    settings = settings_for(home, release)
    failed = reports_of(settings)[-1]
    assert failed.status == "failed"
    assert "what came is kept" in failed.text
    assert state_of(settings).status == "not installed"
    assert state_of(settings).size_mb == pytest.approx(0.1)
    release.fault, release.ranges = None, []
    assert reports_of(settings)[-1].status == "complete"
    assert release.ranges == ["bytes=100000-"]


def _500(handler: Handler) -> bool:
    send_head(handler, 500, {"Content-Length": "0"})
    return True


def test_a_stall_ends_in_another_attempt(home: Path, release: Release) -> None:
    """A server that falls silent is left after the stall timeout, and asked for the rest."""

    def fault(release: Release, handler: Handler) -> bool:
        if len(release.ranges) > 1:
            return False
        send_head(handler, 200, {"Content-Length": str(len(release.body)), "ETag": release.tag})
        handler.wfile.write(release.body[:50_000])
        handler.wfile.flush()
        time.sleep(1.0)
        return True

    release.fault = fault
    reports = reports_of(settings_for(home, release))
    assert reports[-1].status == "complete", reports[-1].text
    assert release.ranges == [None, "bytes=50000-"]
    assert any("nothing came for a while" in r.text for r in reports)


def test_a_file_that_changed_meanwhile_is_begun_again(home: Path, release: Release) -> None:
    """Halves of two files are never glued together: the ETag is asked for."""
    first = breaking_off(100_000, times=1)

    def fault(release: Release, handler: Handler) -> bool:
        has_broken = first(release, handler)
        if has_broken:
            release.body, release.tag = archive_of(MODEL, seed=1), '"two"'
        return has_broken

    release.fault = fault
    settings = settings_for(home, release)
    reports = reports_of(settings)
    assert reports[-1].status == "complete", reports[-1].text
    assert release.ranges == [None, "bytes=100000-"]
    assert installed_checkpoint(settings) == good_checkpoint(seed=1)


def test_a_server_that_sends_another_file_in_part_is_noticed(home: Path, release: Release) -> None:
    """A 206 with another ETag or length is not appended, although the server ignored If-Range."""

    def fault(release: Release, handler: Handler) -> bool:
        if len(release.ranges) == 1:
            return breaking_off(100_000, times=1)(release, handler)
        if len(release.ranges) == 2:
            body = archive_of(MODEL, seed=1)
            send_head(
                handler,
                206,
                {
                    "Content-Length": str(len(body) - 100_000),
                    "Content-Range": f"bytes 100000-{len(body) - 1}/{len(body)}",
                    "ETag": '"two"',
                },
            )
            handler.wfile.write(body[100_000:])
            return True
        return False

    release.fault = fault
    settings = settings_for(home, release)
    assert reports_of(settings)[-1].status == "complete"
    assert release.ranges == [None, "bytes=100000-", None]
    assert installed_checkpoint(settings) == good_checkpoint()


def test_a_server_without_ranges_is_read_from_the_beginning(home: Path, release: Release) -> None:
    """Where ``Range`` is ignored, the whole file comes again and nothing is doubled."""

    def fault(release: Release, handler: Handler) -> bool:
        if len(release.ranges) == 1:
            return breaking_off(100_000, times=1)(release, handler)
        send_head(handler, 200, {"Content-Length": str(len(release.body))})
        handler.wfile.write(release.body)
        return True

    release.fault = fault
    release.publish()
    settings = settings_for(home, release)
    assert reports_of(settings)[-1].status == "complete"
    assert installed_checkpoint(settings) == good_checkpoint()


def test_a_server_without_a_length_is_read_to_its_end(home: Path, release: Release) -> None:
    """Without Content-Length the total is unknown (0); the ZIP itself shows that it is whole."""

    def fault(release: Release, handler: Handler) -> bool:
        send_head(handler, 200, {"Connection": "close"})
        handler.wfile.write(release.body)
        return True

    release.fault = fault
    reports = reports_of(settings_for(home, release))
    assert reports[-1].status == "complete"
    assert {r.total_mb for r in reports if r.status == "downloading"} == {0.0}


def test_a_part_that_is_already_whole_is_used(home: Path, release: Release) -> None:
    """A process killed between the last byte and the next step costs no second download."""
    settings = settings_for(home, release)
    release.fault = breaking_off(len(release.body), times=0)
    watch = weights.download(settings, "total_fast", tuning=QUICK)
    for report in watch:
        if report.status == "downloading":
            break
    watch.close()  # type: ignore[attr-defined]
    part = downloads_folder(settings) / f"{MODEL.folder}.zip.part"
    whole = part.with_suffix("")
    if whole.exists():  # it was quick: as if killed a little earlier
        whole.rename(part)
    part.write_bytes(release.body)
    note = {"address": f"{release.url}/{MODEL.release}/{MODEL.folder}.zip"}
    note |= {"total": len(release.body), "validator": release.tag}
    part.with_name(part.name + ".json").write_text(json.dumps(note))
    release.ranges = []
    assert reports_of(settings)[-1].status == "complete"
    assert release.ranges == [f"bytes={len(release.body)}-"]


def test_a_busy_server_is_asked_again(home: Path, release: Release) -> None:
    """503 passes: the next attempt succeeds."""

    def fault(release: Release, handler: Handler) -> bool:
        if len(release.ranges) > 1:
            return False
        send_head(handler, 503, {"Content-Length": "0", "Retry-After": "1"})
        return True

    release.fault = fault
    assert reports_of(settings_for(home, release))[-1].status == "complete"


# --- servers that lie ----------------------------------------------------------------------------


def failed(home: Path, release: Release) -> str:
    """Download, expect a failure that leaves nothing that looks installed; return the sentence."""
    settings = settings_for(home, release)
    report = reports_of(settings)[-1]
    assert report.status == "failed"
    assert not (weights_folder(settings) / MODEL.folder).exists()
    assert state_of(settings).status == "not installed"
    assert not is_downloading(downloads_folder(settings))
    assert not list(downloads_folder(settings).glob("unpacking-*"))
    return report.text


def test_a_length_beyond_the_end_never_installs(home: Path, release: Release) -> None:
    """A server that promises more than it has is given up after some attempts."""

    def fault(release: Release, handler: Handler) -> bool:
        send_head(handler, 200, {"Content-Length": str(len(release.body) + 1000)})
        handler.wfile.write(release.body)
        return True

    release.fault = fault
    assert "broke off again and again" in failed(home, release)


def test_a_length_before_the_end_never_installs(home: Path, release: Release) -> None:
    """A server that stops early and calls it the end sends no whole ZIP; nothing is kept."""

    def fault(release: Release, handler: Handler) -> bool:
        send_head(handler, 200, {"Content-Length": "200000"})
        handler.wfile.write(release.body[:200_000])
        return True

    release.fault = fault
    assert "cut off or damaged" in failed(home, release)
    assert leftovers(settings_for(home, release)) == set()


def test_a_wrong_checksum_never_installs(home: Path, release: Release) -> None:
    """A file that is not the published one is thrown away; the sentence has both checksums."""
    release.checksum = "0" * 64
    sentence = failed(home, release)
    assert "0" * 64 in sentence
    assert hashlib.sha256(release.body).hexdigest() in sentence
    assert leftovers(settings_for(home, release)) == set()


def test_an_older_half_that_fits_nothing_is_begun_again(home: Path, release: Release) -> None:
    """A damaged part on the disk costs one more download, not a failure for ever."""
    release.publish()
    release.fault = breaking_off(100_000, times=3)
    settings = settings_for(home, release)
    watch = weights.download(settings, "total_fast", tuning=QUICK)
    next(r for r in watch if r.downloaded_mb >= 0.1)
    watch.close()  # type: ignore[attr-defined]
    part = downloads_folder(settings) / f"{MODEL.folder}.zip.part"
    with part.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"damage")
    release.fault = None
    report = reports_of(settings)[-1]
    assert report.status == "complete", report.text
    assert installed_checkpoint(settings) == good_checkpoint()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_instead_of_the_file_is_recognised(
    home: Path, release: Release, kind: str
) -> None:
    """The login page of a proxy is not a model, whatever it says it is."""

    def fault(release: Release, handler: Handler) -> bool:
        page = b"<!doctype html><title>Sign in</title>"
        send_head(handler, 200, {"Content-Length": str(len(page)), "Content-Type": kind})
        handler.wfile.write(page)
        return True

    release.fault = fault
    assert "a web page or something else came" in failed(home, release)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_not_there_fails_at_once(home: Path, release: Release, status: int) -> None:
    """The sentence has the address and the answer, and says how to do it by hand."""

    def fault(_: Release, handler: Handler) -> bool:
        send_head(handler, status, {"Content-Length": "0"})
        return True

    release.fault = fault
    sentence = failed(home, release)
    assert f"answered {status}" in sentence
    assert len(release.ranges) == 1
    assert f"{MODEL.folder}.zip" in sentence


def test_without_a_network_the_sentence_says_what_to_do(home: Path) -> None:
    """Nobody listens: the address, and the place where the file is put by hand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        settings = Settings(home=home, weights_url=url)
        sentence = reports_of(settings)[-1].text
    assert "there is no connection" in sentence
    assert f"{url}/v2.0.0-weights/{MODEL.folder}.zip" in sentence
    assert str(weights_folder(settings) / f"{MODEL.folder}.zip") in sentence


def test_a_file_put_there_by_hand_is_installed_without_a_network(home: Path) -> None:
    """The archive beside the models is checked like any other, and stays where it is."""
    settings = Settings(home=home, weights_url="http://127.0.0.1:9")
    by_hand = weights_folder(settings) / f"{MODEL.folder}.zip"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(archive_of(MODEL))
    assert reports_of(settings)[-1].status == "complete"
    assert installed_checkpoint(settings) == good_checkpoint()
    assert by_hand.exists()


def test_a_bad_file_put_there_by_hand_is_refused(home: Path) -> None:
    """A cut-off archive by hand is told, and not deleted: it is somebody's file."""
    settings = Settings(home=home, weights_url="http://127.0.0.1:9")
    by_hand = weights_folder(settings) / f"{MODEL.folder}.zip"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(archive_of(MODEL)[:-1000])
    assert "cut off or damaged" in reports_of(settings)[-1].text
    assert by_hand.exists()


# --- archives that are not safe ------------------------------------------------------------------


def link(name: str) -> bytes:
    """Return a ZIP whose only entry is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return stream.getvalue()


def with_extra(name: str, contents: bytes = b"x") -> bytes:
    return zip_of({**model_files(MODEL), name: contents})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(with_extra("../escaped.txt"), id="parent"),
        pytest.param(with_extra(f"{MODEL.folder}/../../escaped.txt"), id="parent inside"),
        pytest.param(with_extra("/tmp/escaped.txt"), id="absolute"),
        pytest.param(with_extra(f"{MODEL.folder}\\..\\escaped.txt"), id="backslash"),
        pytest.param(with_extra("escaped.txt"), id="beside"),
        pytest.param(link(f"{MODEL.folder}/link"), id="link"),
    ],
)
def test_an_archive_that_points_outside_is_refused_whole(
    home: Path, release: Release, body: bytes
) -> None:
    """Nothing of it is unpacked, nothing appears anywhere else."""
    release.body = body
    assert "Nothing was unpacked" in failed(home, release)
    assert not list(home.parent.rglob("escaped.txt"))


def test_a_bomb_is_refused(home: Path, release: Release) -> None:
    """An archive that unpacks to more than a hundred times its size is not unpacked."""
    release.body = with_extra(f"{MODEL.folder}/zeros", bytes(200_000_000))
    assert "looks like a bomb" in failed(home, release)


def test_another_model_in_the_archive_is_refused(home: Path, release: Release) -> None:
    """The archive of another release or model does not pass for the one that was asked for."""
    release.body = archive_of(model_named("vertebrae_pp"))
    assert "points elsewhere" in failed(home, release)


def test_an_archive_without_a_checkpoint_is_refused(home: Path, release: Release) -> None:
    """A model without its weights is no model."""
    files = model_files(MODEL)
    release.body = zip_of({name: data for name, data in files.items() if "fold_0" not in name})
    assert "checkpoint_final.pth is missing" in failed(home, release)


def test_a_damaged_entry_is_found_by_its_crc(home: Path, release: Release) -> None:
    """One wrong byte in the middle, with no checksum published, does not get through."""
    body = bytearray(release.body)
    body[len(body) // 2] ^= 0xFF
    release.body = bytes(body)
    assert "damaged" in failed(home, release)


# --- disk ----------------------------------------------------------------------------------------


def test_a_small_disk_is_told_before_the_download(
    home: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one byte is written when archive and unpacked model together do not fit."""
    usage = shutil.disk_usage(home.parent)
    free = 200_000_000 + int(1.5 * len(release.body))
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: usage._replace(free=free))
    assert "MB free on the disk" in failed(home, release)
    assert leftovers(settings_for(home, release)) == set()


def test_a_disk_that_fills_up_keeps_what_came(
    home: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpacking is refused when the room is gone by then; the archive stays for the next time."""
    usage = shutil.disk_usage(home.parent)
    asked: list[int] = []

    def shrinking(_: object) -> object:
        asked.append(1)
        return usage._replace(free=10**12 if len(asked) == 1 else 10**6)

    monkeypatch.setattr(space.shutil, "disk_usage", shrinking)
    assert "MB free on the disk" in failed(home, release)
    monkeypatch.undo()
    release.ranges = []
    assert reports_of(settings_for(home, release))[-1].status == "complete"
    assert release.ranges == []


def test_a_folder_that_cannot_be_written_is_told(home: Path, release: Release) -> None:
    """The place of the weights is a file: one sentence, no traceback."""
    home.mkdir()
    (home / "weights").write_text("not a folder")
    settings = Settings(home=home, totalseg_weights=home / "weights", weights_url=release.url)
    report = reports_of(settings)[-1]
    assert report.status == "failed"
    assert "LIGHTBOX_TOTALSEG_WEIGHTS" in report.text


# --- stubs ---------------------------------------------------------------------------------------


def test_a_stub_that_was_left_behind_is_replaced(home: Path, release: Release) -> None:
    """TotalSegmentator would take the empty folder for the model; we do not."""
    settings = settings_for(home, release)
    stub = weights_folder(settings) / MODEL.folder / MODEL.inner_folder / "fold_0"
    stub.mkdir(parents=True)
    (stub / "checkpoint_final.pth").write_bytes(good_checkpoint()[:1000])
    assert state_of(settings).status == "incomplete"
    assert reports_of(settings)[-1].status == "complete"
    assert state_of(settings).status == "installed"
    assert installed_checkpoint(settings) == good_checkpoint()


def test_a_stub_stays_when_the_download_fails(home: Path, release: Release) -> None:
    """Only a verified model replaces what is there."""
    settings = settings_for(home, release)
    stub = weights_folder(settings) / MODEL.folder
    stub.mkdir(parents=True)
    (stub / "note.txt").write_text("mine")
    release.checksum = "0" * 64
    assert reports_of(settings)[-1].status == "failed"
    assert (stub / "note.txt").read_text() == "mine"


# --- two at once, and stopping -------------------------------------------------------------------


def test_two_threads_share_one_download(home: Path, release: Release) -> None:
    """The second caller follows the first; the file is fetched once and both end complete."""
    release.slow_s = 0.1
    settings = settings_for(home, release)
    ends: list[list[DownloadProgress]] = []
    threads = [threading.Thread(target=lambda: ends.append(reports_of(settings))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [reports[-1].status for reports in ends] == ["complete", "complete"]
    assert release.ranges == [None]
    assert all(any(r.status == "downloading" for r in reports) for reports in ends)


PROGRAM = """
import sys
from pathlib import Path
from engine.settings import Settings
from engine.spine import weights
settings = Settings(home=Path(sys.argv[1]), weights_url=sys.argv[2])
for report in weights.download(settings, "total_fast"):
    print(report.status, flush=True)
"""


def start_process(home: Path, release: Release) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(home), release.url]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_two_processes_share_one_download(home: Path, release: Release) -> None:
    """The lock holds between processes, too."""
    release.slow_s = 0.15
    first, second = start_process(home, release), start_process(home, release)
    ends = [process.communicate(timeout=30)[0].split()[-1] for process in (first, second)]
    assert ends == ["complete", "complete"]
    assert release.ranges == [None]


def test_a_killed_download_is_continued_by_whoever_follows(home: Path, release: Release) -> None:
    """The lock ends with its holder: the follower takes over and asks for the rest."""
    release.body = archive_of(MODEL, size=2_000_000)
    release.slow_s = 0.1
    process = start_process(home, release)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "downloading":
        pass
    settings = settings_for(home, release)
    assert state_of(settings).status == "downloading"
    watch = weights.download(settings, "total_fast", tuning=QUICK)
    assert next(r for r in watch if r.status == "downloading").total_mb > 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    release.slow_s = 0.0
    assert list(watch)[-1].status == "complete"
    assert release.ranges[0] is None
    assert len(release.ranges) == 2


def test_a_second_caller_hears_of_the_failure_of_the_first(home: Path, release: Release) -> None:
    """Whoever follows a download that fails gets its sentence, and does not start over."""
    release.slow_s = 0.1
    release.checksum = "0" * 64
    settings = settings_for(home, release)
    first = weights.download(settings, "total_fast", tuning=QUICK)
    next(r for r in first if r.status == "downloading")
    second = weights.download(settings, "total_fast", tuning=QUICK)
    next(r for r in second if r.status == "downloading")
    assert list(first)[-1].status == "failed"
    assert "0" * 64 in list(second)[-1].text
    assert release.ranges == [None]


def test_another_model_waits_for_its_turn(home: Path, release: Release) -> None:
    """One download at a time on a machine; the second model comes after the first."""
    release.slow_s = 0.1
    settings = settings_for(home, release)
    first = weights.download(settings, "total_fast", tuning=QUICK)
    next(r for r in first if r.status == "downloading")
    second = weights.download(settings, "total", tuning=QUICK)
    assert any("Waiting until total_fast" in next(second).text for _ in range(5))
    assert list(first)[-1].status == "complete"
    release.body = archive_of(model_named("total"))
    assert list(second)[-1].status == "complete"


@pytest.mark.parametrize("how", ["close", "event"])
def test_a_download_can_be_stopped_while_the_server_is_silent(
    home: Path, release: Release, how: str
) -> None:
    """Stopping does not wait for the stall to end; the lock is free and the part is kept."""

    def fault(release: Release, handler: Handler) -> bool:
        if len(release.ranges) > 1:
            return False
        send_head(handler, 200, {"Content-Length": str(len(release.body)), "ETag": release.tag})
        handler.wfile.write(release.body[:50_000])
        handler.wfile.flush()
        time.sleep(3)
        return True

    release.fault = fault
    settings = settings_for(home, release)
    stop = threading.Event()
    watch = weights.download(settings, "total_fast", stop=stop, tuning=Tuning(stall_timeout_s=60))
    next(r for r in watch if r.downloaded_mb >= 0.05)
    start = time.monotonic()
    if how == "close":
        watch.close()  # type: ignore[attr-defined]
    else:
        stop.set()
        assert list(watch)[-1].status == "cancelled"
    assert time.monotonic() - start < 2
    assert not is_downloading(downloads_folder(settings))
    assert reports_of(settings)[-1].status == "complete"
    assert release.ranges[-1] == "bytes=50000-"


def test_a_process_killed_while_unpacking_leaves_no_model(home: Path, release: Release) -> None:
    """The half-unpacked folder lies aside; the next download removes it and needs no server."""
    program = PROGRAM.replace(
        "for report",
        "import os, signal\nfor report",
    ).replace(
        "print(report.status, flush=True)",
        "if report.status == 'unpacking': os.kill(os.getpid(), signal.SIGKILL)",
    )
    release.body = archive_of(MODEL, size=8_000_000)
    command = [sys.executable, "-c", program, str(home), release.url]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    settings = settings_for(home, release)
    assert state_of(settings).status == "not installed"
    assert any(name.startswith("unpacking-") for name in leftovers(settings))
    release.ranges = []
    assert reports_of(settings)[-1].status == "complete"
    assert release.ranges == []
    assert leftovers(settings) == set()


# --- the environment -----------------------------------------------------------------------------


def test_downloading_loads_nothing_heavy(home: Path, release: Release) -> None:
    """Neither torch nor TotalSegmentator is needed for a download."""
    program = PROGRAM + "print([n for n in ('torch', 'totalsegmentator') if n in sys.modules])"
    command = [sys.executable, "-c", program, str(home), release.url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.strip().endswith("[]")


def test_the_documents_are_plain_json(home: Path, release: Release) -> None:
    """Reports and states can be written as JSON as they are."""
    settings = settings_for(home, release)
    documents: list[Mapping[str, object]] = [r.document() for r in reports_of(settings)]
    documents += [state.document() for state in weights.models(settings)]
    assert json.loads(json.dumps(documents)) == documents
    assert set(documents[1]) >= {"status", "progress", "downloaded_mb", "total_mb"}

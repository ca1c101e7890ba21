"""What waits for the one who looks: their jobs, and for administrators the state of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, final

from engine.errors import LightboxError
from engine.monitoring import PartHealth
from engine.store import now
from ui_streamlit.studio.pieces import Tone
from ui_streamlit.studio.visits import Visit
from ui_streamlit.studio.wording import count

__all__ = ["Waiting", "what_waits"]

_RECENT: Final = timedelta(days=7)
_PAGE_OF_PART: Final = {"backups": "backups", "worker": "jobs", "audit": "audit"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing to look at; ``page`` and ``query`` say where, empty when it has no page."""

    text: str
    tone: Tone
    page: str = ""
    query: dict[str, str] = field(default_factory=dict)


def what_waits(here: Visit) -> tuple[Waiting, ...]:
    """Return what waits for this visitor, the pressing first."""
    found: list[Waiting] = []
    for look in (_parts, _own_jobs, _stuck_jobs, _people, _pictures):
        found += _look(look, here)
    return tuple(sorted(found, key=lambda item: item.tone != "bad"))


def _look(look: Callable[[Visit], Iterator[Waiting]], here: Visit) -> list[Waiting]:
    """Return what one of them finds; what cannot be looked at waits itself."""
    try:
        return list(look(here))
    except LightboxError as error:
        return [Waiting(text=str(error), tone="bad")]


def _parts(here: Visit) -> Iterator[Waiting]:
    if not here.may("monitoring.view"):
        return
    for part in here.workbench.monitor.parts():
        if part.state != "ok" and not _is_outdated(here, part):
            tone: Tone = "bad" if part.state == "failed" else "waiting"
            page = _PAGE_OF_PART.get(part.name, "monitoring")
            yield Waiting(text=f"{part.title}: {part.text}", tone=tone, page=page)


def _is_outdated(here: Visit, part: PartHealth) -> bool:
    """Say whether a good backup was made since that part was asked: it is asked once a minute."""
    if part.name != "backups":
        return False
    good = [backup for backup in here.workbench.backups.list() if backup.state == "good"]
    return any((one.finished_at or one.created_at).timestamp() > part.checked_at for one in good)


def _own_jobs(here: Visit) -> Iterator[Waiting]:
    if not here.may("jobs.view"):
        return
    jobs = here.workbench.queue.all()
    repeated = {job.retry_of for job in jobs}
    own = [job for job in jobs if job.created_by == here.actor.id]
    recent = now() - _RECENT
    failed = [
        job
        for job in own
        if job.state == "failed"
        and job.id not in repeated
        and (job.finished_at or job.created_at) > recent
    ]
    if len(failed) == 1:
        text = f"Your job “{failed[0].title or failed[0].task}” failed"
        yield Waiting(text=text, tone="bad", page="jobs", query={"job": failed[0].id})
    elif failed:
        text = f"{count(len(failed), 'job')} of yours failed"
        yield Waiting(text=text, tone="bad", page="jobs", query={"state": "Failed"})
    active = [job for job in own if job.state in ("pending", "processing")]
    if active:
        query = {"job": active[0].id} if len(active) == 1 else {"state": "Active"}
        text = f"{count(len(active), 'job')} of yours {'is' if len(active) == 1 else 'are'} at work"
        yield Waiting(text=text, tone="busy", page="jobs", query=query)


def _stuck_jobs(here: Visit) -> Iterator[Waiting]:
    if not here.may("jobs.control"):
        return
    stuck = here.workbench.queue.counts()["stuck"]
    if stuck:
        text = f"{count(stuck, 'job')} stuck: reset or cancel"
        yield Waiting(text=text, tone="bad", page="jobs", query={"state": "Stuck"})


def _people(here: Visit) -> Iterator[Waiting]:
    if here.is_open or not here.may("users.manage"):
        return
    waiting = len(here.workbench.store.users.read().where(waiting=True))
    if waiting:
        text = f"{count(waiting, 'person waits', 'people wait')} to be let in"
        yield Waiting(text=text, tone="waiting", page="users")


def _pictures(here: Visit) -> Iterator[Waiting]:
    images = here.workbench.store.images.read()
    mine = [
        image
        for image in images.where(assigned_to=here.actor.id)
        if image.status in ("new", "in_progress", "sent_back")
    ]
    if mine:
        yield Waiting(text=f"{count(len(mine), 'picture')} to annotate", tone="waiting")
    review = len(images.where(status="to_review")) if here.may("masks.review") else 0
    if review:
        yield Waiting(text=f"{count(review, 'picture')} to review", tone="waiting")

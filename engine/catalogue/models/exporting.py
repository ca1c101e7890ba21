"""What the task ``export_model`` does: a model into one ZIP, stored and named as the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.catalogue.models.registry import Models
from engine.people.audit import open_audit
from engine.people.permissions import require

if TYPE_CHECKING:
    from engine.jobs.context import JobContext

__all__ = ["export_model"]


def export_model(context: JobContext) -> str:
    """Write the ZIP and return the closing sentence.

    Raises
    ------
    RequestError
        When the model cannot be had in this form.
    """
    require(context.actor, "models.view")
    models = Models(context.store, context.files, open_audit(context.settings), context.settings)
    record = models.get(context.actor, str(context.payload["model"]))
    form = context.payload["form"]
    context.report(0.1, "Writing the archive", f"{record.name}, {form}")
    with models.bundle(context.actor, record.id, form) as path:
        context.report(0.8, "Storing the archive")
        kept = context.files.put(path, media_type="application/zip")
    title = f"{record.name} {record.version} ({form}).zip"
    context.result("file", kept.sha256, title)
    return f"“{record.name}” is ready to download as {form}."

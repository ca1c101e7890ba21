"""What a job tells a sample: that it is worked on, failed, or waits again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.store import now

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.store.records import InferenceStatus, Sample

__all__ = ["mark_sample"]


def mark_sample(
    context: JobContext, sample: Sample | None, status: InferenceStatus, text: str
) -> None:
    """Write a sample's state and this job's id; nothing without a sample, or if it was removed."""
    if sample is None:
        return
    with context.store.samples.transaction() as samples:
        held = samples.get(sample.id)
        if held is not None:
            samples.put(
                replace(
                    held,
                    inference_status=status,
                    status_text=text,
                    job_id=context.job.id,
                    updated_at=now(),
                )
            )

"""``sample_data``: a small drawn dataset with masks, so that there is something to try at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from engine.errors import RequestError
from engine.jobs.folders import read_json, write_json
from engine.jobs.task import Need, Payload, Task
from engine.store import new_id, now
from engine.store.records import Dataset, Image, Mask

if TYPE_CHECKING:
    from engine.jobs.context import JobContext
    from engine.settings import Settings

__all__ = ["SAMPLE_DATA", "add_sample_data"]

_RANGES: Final = {"pictures": (1, 2000), "side_px": (128, 2048), "seed": (0, 1_000_000)}
_DEFAULTS: Final = {"pictures": 12, "side_px": 384, "seed": 0}
_PER_PATIENT: Final = 4
_BYTES_PER_PIXEL: Final = 90  # drawing's fields and its result, measured by the tests, rounded up
_PIXEL_UM: Final = 0.5


def _checked(payload: Payload) -> dict[str, Any]:
    """Return the payload with its defaults."""
    if unknown := set(payload) - set(_RANGES):
        raise RequestError(
            f"sample_data takes {', '.join(_RANGES)}, but {', '.join(sorted(unknown))[:80]} came."
        )
    for name, value in payload.items():
        low, high = _RANGES[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise RequestError(
                f"'{name}' must be a whole number from {low} to {high}, but is {str(value)[:40]}."
            )
    return {**_DEFAULTS, **payload}


def _forecast(payload: Payload, settings: Settings) -> Need:  # noqa: ARG001 – a forecast's form
    return Need(memory_mb=150.0 + payload["side_px"] ** 2 * _BYTES_PER_PIXEL / 1e6)


SAMPLE_DATA: Final = Task(
    name="sample_data",
    title="Add sample data",
    description="Draws a small dataset of tissue pictures with masks of three states.",
    run="engine.jobs.tasks.sample_data:add_sample_data",
    action="sample_data.add",
    check=_checked,
    forecast=_forecast,
    resumable=True,
)


def add_sample_data(context: JobContext) -> str:
    """Draw and store picture after picture; what is stored already is passed over."""
    total = int(context.payload["pictures"])
    context.report(0.0, "Making the dataset")
    dataset = _dataset(context)
    have = {image.id for image in context.store.images.read().where(dataset_id=dataset.id)}
    if have:
        context.log(f"{len(have)} of {total} pictures are there already.")
    for number in range(total):
        if _image_id(dataset, number) not in have:
            context.guard_step(_step_mb(context), what="drawing the next picture")
            _add_picture(context, dataset, number)
        done = (number + 1) / total
        context.report(done, "Drawing pictures", f"{number + 1} of {total} pictures")
    _close(context, dataset)
    context.result("dataset", dataset.id, dataset.name)
    return f"“{dataset.name}” has {total} pictures with masks."


def _step_mb(context: JobContext) -> float:
    return float(context.payload["side_px"]) ** 2 * _BYTES_PER_PIXEL / 1e6


def _dataset(context: JobContext) -> Dataset:
    """Return this job's dataset: the one an earlier attempt began, or a new one."""
    noted = context.folder / "dataset.json"
    dataset_id = str(read_json(noted).get("id") or new_id())
    write_json(noted, {"id": dataset_id}, durable=True)
    with context.store.datasets.transaction() as datasets:
        found = datasets.get(dataset_id)
        if found is not None:
            return found
        names = {dataset.name for dataset in datasets.values()}
        dataset = Dataset(
            id=dataset_id,
            name=_free_name(names),
            description="Drawn tissue, nobody's: for first steps. Some columns are not annotated.",
            status="importing",
            source="drawn",
            classes=("background", "unhealthy", "healthy"),
            is_sample=True,
            created_by=context.job.created_by,
            details={"seed": context.payload["seed"], "job": context.job.id},
        )
        datasets.put(dataset)
    return dataset


def _free_name(names: set[str]) -> str:
    name, number = "Sample tissue", 1
    while name in names:
        number += 1
        name = f"Sample tissue {number}"
    return name


def _image_id(dataset: Dataset, number: int) -> str:
    return f"{dataset.id}-{number + 1:04}"


def _add_picture(context: JobContext, dataset: Dataset, number: int) -> None:
    from engine.imaging import masks, pictures
    from engine.imaging.drawn_tissue import draw_tissue

    side = int(context.payload["side_px"])
    seed = int(context.payload["seed"]) * 10_000 + number
    tissue = draw_tissue(seed, side_px=side, unhealthy_share=0.2 + 0.1 * (number % 6))
    picture = context.files.put(pictures.encode_png(tissue.picture), media_type="image/png")
    mask = context.files.put(masks.encode(tissue.mask), media_type="image/png")
    name = _image_id(dataset, number)
    with context.store.transaction("images", "masks") as changes:
        changes["images"].put(
            Image(
                id=name,
                name=f"tissue_{number + 1:04}.png",
                sha256=picture.sha256,
                media_type=picture.media_type,
                size_bytes=picture.size,
                width_px=side,
                height_px=side,
                pixel_size_um=_PIXEL_UM,
                dataset_id=dataset.id,
                group=f"drawn patient {number // _PER_PATIENT + 1}",
                uploader_id=context.job.created_by,
                details={"seed": seed},
            )
        )
        changes["masks"].put(
            Mask(
                id=f"{name}-drawn",
                image_id=name,
                sha256=mask.sha256,
                author="Lightbox",
                origin="drawn",
                state="approved",
                counts=masks.counts(tissue.mask),
            )
        )


def _close(context: JobContext, dataset: Dataset) -> None:
    """Count what is there and call the dataset ready."""
    images = context.store.images.read().where(dataset_id=dataset.id)
    with context.store.datasets.transaction() as datasets:
        datasets.put(
            replace(
                datasets.get(dataset.id) or dataset,
                status="ready",
                file_count=len(images),
                total_bytes=sum(image.size_bytes for image in images),
                version=1,
                updated_at=now(),
            )
        )

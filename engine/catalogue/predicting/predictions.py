"""Asking a model about pictures, and what it said: kept, listed, compared and taken along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, final

from engine.catalogue.paging import Page, page_of
from engine.catalogue.picture_records import chosen_mask
from engine.catalogue.predicting import answers, views
from engine.catalogue.predicting.answers import Answered, Progress
from engine.catalogue.predicting.forms import Exported, PredictionForm, written
from engine.catalogue.predicting.segmenters import Segmenters
from engine.catalogue.second_readings import require_sighted
from engine.catalogue.visibility import require_sample, sees_sample
from engine.errors import NotFoundError, RequestError, TooLargeError
from engine.people.permissions import allowed, require
from engine.store.records import Image, ModelRecord, Prediction

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from engine.annotation.raster import Box
    from engine.catalogue.models import Models
    from engine.catalogue.predicting.comparing import Compared
    from engine.catalogue.predicting.explaining import Explained
    from engine.catalogue.predicting.sources import Part, StoredPicture
    from engine.catalogue.predicting.views import Seen
    from engine.jobs.queue import Queue
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.segmentation.results import Segmentation
    from engine.segmentation.segmenter import Segmenter
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files
    from engine.store.records import Job

__all__ = ["AT_ONCE_PX", "Predicting"]

PAGE: Final = 24
AT_ONCE_PX: Final = 24_000_000
"""Larger pictures are better asked about by a job; what is only looked at is not larger."""

_TASK: Final = "segmentation"
_AROUND_PX: Final = 512
_EXPORT_BYTES: Final = 10
"""Memory for each pixel while a file is written: the answer, the picture and its coded form."""
_STANDARD: Final = ("background", "unhealthy", "healthy")


def _silent(fraction: float, text: str) -> None:
    """Tell nobody."""
    del fraction, text


@final
class Predicting:
    """What models say about pictures; each method requires its action of whoever asks."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        files: Files,
        audit: AuditLog,
        queue: Queue,
        models: Models,
    ) -> None:
        self._settings, self._store, self._files = settings, store, files
        self._audit, self._queue, self._models = audit, queue, models
        self._segmenters = Segmenters(settings)

    # --- models and pictures -------------------------------------------------------------------

    def models(self, actor: Actor) -> tuple[ModelRecord, ...]:
        """Return the models that can be asked, the active one first, retired ones left out."""
        require(actor, "models.predict")
        found = [
            model
            for model in self._models.list(actor, task=_TASK)
            if model.status == "completed" and model.stage != "retired"
        ]
        return tuple(sorted(found, key=lambda model: model.stage != "active"))

    def model(self, actor: Actor, model_id: str = "") -> ModelRecord:
        """Return a model, or the active one where none is named.

        Raises
        ------
        NotFoundError
            When there is none.
        RequestError
            When it finds no areas in pictures.
        """
        require(actor, "models.predict")
        if not model_id:
            active = self._models.active(_TASK)
            if active is None:
                raise NotFoundError(
                    "No model is in use yet; train one, or bring one in and promote it."
                )
            return active
        found = self._models.get(actor, model_id)
        if found.task != _TASK:
            raise RequestError(
                f"“{found.name}” does not divide pictures into areas; choose another."
            )
        return found

    def classes(self, actor: Actor, model_id: str = "") -> tuple[str, ...]:
        """Return the classes that a model tells apart, the background first."""
        model = self.model(actor, model_id)
        return self._segmenter(actor, model.id).classes

    def image(self, actor: Actor, image_id: str) -> Image:
        """Return a stored picture; :class:`NotFoundError` when there is none for this actor."""
        require(actor, "models.predict")
        image = self._store.images.read().get(image_id)
        if image is None:
            raise NotFoundError(
                f"There is no picture {image_id[:80]!r}; it was removed. Choose one from the list."
            )
        if image.sample_id:
            require_sample(self._store, actor, image.sample_id)
        else:
            require(actor, "datasets.view")
        return image

    # --- asking --------------------------------------------------------------------------------

    def predict(
        self,
        actor: Actor,
        model_id: str,
        image_id: str,
        *,
        tell: Progress = _silent,
        check: Callable[[], None] = lambda: None,
        job_id: str | None = None,
    ) -> Prediction:
        """Ask a model about a stored picture and keep the answer; large ones are read in tiles.

        Without a ``model_id`` the active model is asked. ``tell`` hears how far it is, ``check`` is
        called between tiles; what they raise ends the work and leaves all as it was.

        Raises
        ------
        NotFoundError, DamagedFileError, PictureError
            When the picture or its file cannot be used.
        ModelError
            When the model cannot be used.
        MemoryShortError
            When there is too little memory.
        """
        image = self.image(actor, image_id)
        model = self.model(actor, model_id)
        with self._opened(image) as source, _room(source) as folder:
            found = self._ask(
                actor,
                model,
                source,
                pixel_size_um=image.pixel_size_um,
                folder=folder,
                tell=tell,
                check=check,
            )
            tell(0.99, "Keeping the answer")
            return answers.keep(
                self._store,
                self._files,
                image,
                found,
                model_id=model.id,
                created_by=actor.id,
                job_id=job_id,
            )

    def look(
        self,
        actor: Actor,
        model_id: str,
        data: bytes,
        *,
        name: str = "picture",
        tell: Progress = _silent,
        check: Callable[[], None] = lambda: None,
    ) -> Answered:
        """Ask a model about a picture that is not stored; nothing of it is kept here.

        Raises
        ------
        PictureError, TooLargeError
            When the bytes are no picture, or of one that should be brought into a dataset.
        ModelError, MemoryShortError
            As :meth:`predict`.
        """
        from engine.datasets.taking import take_picture
        from engine.imaging.headers import read_header

        model = self.model(actor, model_id)
        header = read_header(data)
        if header.pixels > AT_ONCE_PX:
            raise TooLargeError(
                f"This picture has {header.pixels / 1e6:.0f} million pixels; what is only looked "
                f"at has at most {AT_ONCE_PX // 1_000_000}. Bring it into a dataset: there, "
                "pictures of any size are read in parts."
            )
        taken = take_picture(data, max_pixels=AT_ONCE_PX)
        found = self._ask(
            actor,
            model,
            taken.picture,
            pixel_size_um=taken.pixel_size_um,
            tell=tell,
            check=check,
        )
        return Answered(
            name=name.replace("\\", "/").rpartition("/")[2][:200] or "picture",
            data=taken.data,
            picture=taken.picture,
            found=found,
            model_id=model.id,
            measures=answers.measures_of(found),
        )

    def save(self, actor: Actor, looked: Answered, image: Image) -> Prediction:
        """Keep the answer about a picture that has just been stored as ``image``."""
        stored = self.image(actor, image.id)
        if (stored.height_px, stored.width_px) != looked.found.mask.shape:
            raise RequestError("This answer is about another picture; ask the model again.")
        return answers.keep(
            self._store,
            self._files,
            stored,
            looked.found,
            model_id=looked.model_id,
            created_by=actor.id,
        )

    def part(
        self, actor: Actor, model_id: str, image_id: str, box: Box, *, tell: Progress = _silent
    ) -> Segmentation:
        """Return what a model says about a part of a stored picture.

        An answer that is kept is used where there is one; the answer about a picture that is not
        large is kept. Of a large picture the part alone is looked at, and nothing is kept.

        Raises
        ------
        As :meth:`predict`.
        """
        from engine.catalogue.predicting.sources import Part

        image = self.image(actor, image_id)
        model = self.model(actor, model_id)
        kept = self._kept(image, model.id)
        if kept is None and image.width_px * image.height_px <= AT_ONCE_PX:
            kept = self.predict(actor, model.id, image_id, tell=tell)
        if kept is not None:
            found = answers.load(self._files, kept)
            return replace(
                found,
                mask=found.mask[box.part],
                uncertainty=found.uncertainty[box.part],
                probabilities=None,
            )
        with self._opened(image) as source:
            return self._ask(actor, model, Part(source, box), tell=tell)

    def start(
        self,
        actor: Actor,
        model_id: str,
        *,
        image_ids: Sequence[str] = (),
        dataset_id: str = "",
        again: bool = False,
    ) -> Job:
        """Start a job that asks a model about many pictures, or all of a dataset.

        Pictures that the model has answered before are passed over, unless ``again``.

        Raises
        ------
        RequestError
            When it is not said which pictures.
        """
        model = self.model(actor, model_id)
        if bool(image_ids) == bool(dataset_id):
            raise RequestError("Expected either pictures or a dataset, to say what to look at.")
        if dataset_id:
            require(actor, "datasets.view")
            dataset = self._store.datasets.read()[dataset_id]
            where = f"all of {dataset.name}"
        else:
            for name in image_ids:
                self.image(actor, name)
            where = f"{len(image_ids)} pictures" if len(image_ids) > 1 else "a picture"
        named = {"dataset": dataset_id} if dataset_id else {"images": list(image_ids)}
        return self._queue.submit(
            "predict_pictures",
            {"model": model.id, **named, "again": again},
            actor=actor,
            title=f"Predict {where} with {model.name}"[:200],
        )

    def pending(
        self, actor: Actor, model_id: str, image_ids: Iterable[str], *, again_for: str = ""
    ) -> list[str]:
        """Return which pictures have no answer of a model yet, in their order.

        With ``again_for``, a job's id, only answers of that job count.
        """
        require(actor, "models.predict")
        found = self._store.predictions.read()
        images = self._store.images.read()
        answered = {
            one.image_id
            for one in found.where(model_id=model_id)
            if (image := images.get(one.image_id)) is not None
            and (one.job_id == again_for if again_for else one.status == "completed")
            and one.image_sha256 == image.sha256
        }
        return [name for name in image_ids if name not in answered]

    def refuse(self, actor: Actor, model_id: str, image_id: str, reason: str, job_id: str) -> None:
        """Note for a job that a model could not answer about a picture."""
        answers.refused(
            self._store,
            self.image(actor, image_id),
            reason,
            model_id=model_id,
            created_by=actor.id,
            job_id=job_id,
        )

    # --- what was said -------------------------------------------------------------------------

    def results(
        self,
        actor: Actor,
        *,
        model_id: str = "",
        dataset_id: str = "",
        image_id: str = "",
        job_id: str = "",
        page: int = 1,
        size: int = PAGE,
    ) -> Page[Prediction]:
        """Return answers, the most doubtful first and those that failed before all others."""
        require(actor, "models.predict")
        records = self._store.read("predictions", "images", "samples")
        found = records["predictions"]
        chosen = found.where(model_id=model_id) if model_id else tuple(found.values())
        rows = [
            one
            for one in chosen
            if self._is_seen(records, actor, one, dataset_id)
            and (not image_id or one.image_id == image_id)
            and (not job_id or one.job_id == job_id)
        ]
        rows.sort(key=lambda one: (one.status != "failed", -one.doubt, one.id))
        return page_of(rows, page=page, size=size)

    def get(self, actor: Actor, prediction_id: str) -> Prediction:
        """Return one answer; :class:`NotFoundError` when there is none for this actor."""
        found = self._store.predictions.read().get(prediction_id)
        if found is None:
            raise NotFoundError(
                "There is no such answer; the picture was removed, or the model was asked again. "
                "Choose one from the list."
            )
        self.image(actor, found.image_id)
        return found

    def latest(self, actor: Actor, model_id: str, image_id: str) -> Prediction | None:
        """Return the answer of a model about the picture as it is now, ``None`` for none."""
        return self._kept(self.image(actor, image_id), self.model(actor, model_id).id)

    def answer(self, actor: Actor, prediction_id: str) -> Segmentation:
        """Return all of a kept answer."""
        return answers.load(self._files, self.get(actor, prediction_id))

    def seen(self, actor: Actor, prediction_id: str) -> Seen:
        """Return the picture and the answer at the size of a screen."""
        prediction = self.get(actor, prediction_id)
        image = self.image(actor, prediction.image_id)
        height, width, _ = views.size_of(image.height_px, image.width_px)
        with self._opened(image) as source:
            small = source.small(width=width, height=height)
        return views.seen(small, answers.load(self._files, prediction))

    def seen_of(self, looked: Answered) -> Seen:
        """Return what is only looked at, at the size of a screen."""
        from engine.annotation.tiles import shrink

        height, width, _ = views.size_of(*looked.found.mask.shape)
        return views.seen(shrink(looked.picture, width=width, height=height), looked.found)

    def thumbnail(self, actor: Actor, prediction: Prediction) -> bytes:
        """Return a small picture with the answer over it."""
        import cv2
        import numpy as np

        from engine.catalogue.picture_records import thumbnail
        from engine.imaging import pictures

        image = self.image(actor, prediction.image_id)
        small = pictures.decode(thumbnail(self._store, self._files, image))
        if prediction.mask_sha256 is None:
            return pictures.encode_jpeg(small, 85)
        data = np.frombuffer(self._files.read(prediction.mask_sha256), np.uint8)
        mask = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
        return views.over(views.thumbnail_of(small, mask, prediction.classes), opacity=0.45)

    def remove(self, actor: Actor, prediction_id: str) -> None:
        """Forget an answer: one's own, or anybody's for who manages models."""
        found = self.get(actor, prediction_id)
        if found.created_by != actor.id:
            require(actor, "models.manage")
        with self._store.predictions.transaction() as predictions:
            predictions.remove(found.id)
        self._audit.write(
            actor,
            "models.predict",
            record=f"predictions/{found.id}",
            text=f"Removed what {found.model} said about a picture",
        )

    def export(self, actor: Actor, prediction_id: str, form: PredictionForm) -> Exported:
        """Return an answer as a file in one of the :data:`~.forms.FORMS`."""
        prediction = self.get(actor, prediction_id)
        image = self.image(actor, prediction.image_id)
        megapixels = image.width_px * image.height_px / 1e6
        self._segmenters.guard.require(
            50 + _EXPORT_BYTES * megapixels, what=f"a file about {megapixels:.0f} megapixels"
        )
        found = answers.load(self._files, prediction)
        with ExitStack() as opened:

            @cache
            def source() -> StoredPicture:
                return opened.enter_context(self._opened(image))

            return written(
                found,
                form,
                name=image.name,
                rows=lambda top, end: source().read(top, 0, end - top, image.width_px),
            )

    def export_of(self, actor: Actor, looked: Answered, form: PredictionForm) -> Exported:
        """Return what is only looked at as a file."""
        require(actor, "models.predict")
        return written(
            looked.found, form, name=looked.name, rows=lambda top, end: looked.picture[top:end]
        )

    def start_export(
        self,
        actor: Actor,
        model_id: str,
        *,
        dataset_id: str,
        forms: Sequence[PredictionForm],
    ) -> Job:
        """Start a job that writes a model's answers about a dataset as one ZIP."""
        model = self.model(actor, model_id)
        require(actor, "datasets.view")
        dataset = self._store.datasets.read()[dataset_id]
        return self._queue.submit(
            "export_predictions",
            {"model": model.id, "dataset": dataset_id, "forms": list(forms)},
            actor=actor,
            title=f"Export what {model.name} says about {dataset.name}"[:200],
        )

    def compare(self, actor: Actor, prediction_id: str) -> Compared | None:
        """Return how far an answer agrees with the mask that counts, ``None`` without a mask.

        Raises
        ------
        NotAllowedError
            When the actor reads the picture a second time and must not see the first mask.
        RequestError
            When model and picture have no class in common.
        """
        from engine.catalogue.predicting.comparing import compare_masks
        from engine.imaging import masks

        require(actor, "masks.view")
        prediction = self.get(actor, prediction_id)
        image = self.image(actor, prediction.image_id)
        require_sighted(self._store.images.read(), image, actor)
        mask = chosen_mask(self._store.masks.read(), image.id)
        if mask is None:
            return None
        classes = self.classes_of(image)
        truth = masks.decode(self._files.read(mask.sha256), classes=255)
        return compare_masks(answers.load(self._files, prediction), mask, truth, classes)

    def classes_of(self, image: Image) -> tuple[str, ...]:
        """Return the classes that masks of a picture have."""
        dataset = self._store.datasets.read().get(image.dataset_id or "")
        named = tuple(str(name) for name in image.details.get("classes", ()))
        return (dataset.classes if dataset else named) or _STANDARD

    def explain(
        self,
        actor: Actor,
        about: str | Answered,
        class_name: str,
        *,
        box: Box | None = None,
        tell: Progress = _silent,
    ) -> Explained:
        """Return where a model looked for a class: Grad-CAM, in a process of its own.

        ``about`` is the id of a kept answer, or one that is only looked at. ``box`` is the region
        whose class is explained, the whole picture without one.

        Raises
        ------
        RequestError
            When the class is none of the model's, or the box lies outside.
        ModelError
            When the model brought no weights from which it can be explained.
        """
        from engine.catalogue.predicting.explaining import explain

        require(actor, "models.predict")
        if isinstance(about, Answered):
            model_id, classes, picture = about.model_id, about.found.classes, about.picture
        else:
            prediction = self.get(actor, about)
            image = self.image(actor, prediction.image_id)
            if image.width_px * image.height_px > AT_ONCE_PX:
                return self._explain_part(actor, prediction, image, class_name, box, tell)
            model_id, classes, picture = prediction.model_id, prediction.classes, self._whole(image)
        return explain(
            self._models.folder(actor, model_id),
            picture,
            class_name,
            classes=classes,
            box=box,
            guard=self._segmenters.guard,
            tell=tell,
        )

    def _explain_part(
        self,
        actor: Actor,
        prediction: Prediction,
        image: Image,
        class_name: str,
        box: Box | None,
        tell: Progress,
    ) -> Explained:
        """Explain a region of a picture that is too large to be read whole."""
        from engine.annotation.raster import Box
        from engine.catalogue.predicting.explaining import explain

        whole = Box.whole((image.height_px, image.width_px))
        inside = whole if box is None else box.cut(whole)
        if inside.width * inside.height > AT_ONCE_PX:
            raise TooLargeError("This picture is large; choose a part of it to explain.")
        around = Box(
            left=inside.left - _AROUND_PX,
            top=inside.top - _AROUND_PX,
            right=inside.right + _AROUND_PX,
            bottom=inside.bottom + _AROUND_PX,
        ).cut(whole)
        with self._opened(image) as source:
            picture = source.read(around.top, around.left, around.height, around.width)
        made = explain(
            self._models.folder(actor, prediction.model_id),
            picture,
            class_name,
            classes=prediction.classes,
            box=_shifted(inside, -around.left, -around.top),
            guard=self._segmenters.guard,
            tell=tell,
        )
        window = _shifted(made.window, around.left, around.top)
        return replace(made, window=window, shape=(image.height_px, image.width_px))

    # --- inside --------------------------------------------------------------------------------

    def _segmenter(self, actor: Actor, model_id: str) -> Segmenter:
        return self._segmenters.get(model_id, lambda: self._models.folder(actor, model_id))

    def _ask(
        self,
        actor: Actor,
        model: ModelRecord,
        picture: NDArray[np.uint8] | StoredPicture | Part,
        *,
        tell: Progress,
        check: Callable[[], None] = lambda: None,
        pixel_size_um: float | None = None,
        folder: Path | None = None,
    ) -> Segmentation:
        tell(0.0, "Opening the model")
        segmenter = self._segmenter(actor, model.id)
        height, width = _shape(picture)
        with self._segmenters.turn(lambda: tell(0.0, "Waiting for another picture to be done")):
            return segmenter.predict(
                picture,
                probabilities=answers.keeps_probabilities(height * width, len(segmenter.classes)),
                pixel_size_um=pixel_size_um,
                folder=folder,
                tell=tell,
                check=check,
            )

    def _opened(self, image: Image) -> AbstractContextManager[StoredPicture]:
        from engine.catalogue.predicting.sources import opened

        return opened(self._files, image)

    def _whole(self, image: Image) -> NDArray[np.uint8]:
        with self._opened(image) as source:
            return source.read(0, 0, source.height, source.width)

    def _kept(self, image: Image, model_id: str) -> Prediction | None:
        found = self._store.predictions.read().where(image_id=image.id)
        return next(
            (
                one
                for one in found
                if one.model_id == model_id
                and one.status == "completed"
                and one.image_sha256 == image.sha256
            ),
            None,
        )

    def _is_seen(
        self, records: dict[str, Any], actor: Actor, one: Prediction, dataset_id: str
    ) -> bool:
        image = records["images"].get(one.image_id)
        if image is None or (dataset_id and image.dataset_id != dataset_id):
            return False
        if image.sample_id:
            sample = records["samples"].get(image.sample_id)
            return sample is not None and sees_sample(actor, sample)
        return allowed(actor, "datasets.view")


@contextmanager
def _room(source: StoredPicture) -> Iterator[Path | None]:
    """Yield a folder for the answer about a picture that is too large for memory."""
    if source.height * source.width <= AT_ONCE_PX:
        yield None
        return
    with TemporaryDirectory(prefix="lightbox-answer-") as folder:
        yield Path(folder)


def _shifted(box: Box, right: int, down: int) -> Box:
    """Return a box elsewhere."""
    from engine.annotation.raster import Box

    return Box(
        left=box.left + right,
        top=box.top + down,
        right=box.right + right,
        bottom=box.bottom + down,
    )


def _shape(picture: NDArray[np.uint8] | StoredPicture | Part) -> tuple[int, int]:
    """Return height and width of what is asked about."""
    import numpy as np

    if isinstance(picture, np.ndarray):
        return int(picture.shape[0]), int(picture.shape[1])
    return picture.height, picture.width

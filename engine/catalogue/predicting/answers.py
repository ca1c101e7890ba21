"""What a model said, in memory or as a record with its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from engine.errors import NotFoundError, PictureError
from engine.store.records import Image, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.segmentation.results import Segmentation
    from engine.store import Store
    from engine.store.files import Files

__all__ = [
    "Answered",
    "Progress",
    "keep",
    "keeps_probabilities",
    "load",
    "measures_of",
    "refused",
]

Progress = Callable[[float, str], None]
"""Called with how much is done, in 0..1, and a word about it; may raise to stop the work."""

_MOST_KEPT_BYTES: Final = 48_000_000


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """A picture that is looked at and not stored, with the answer about it.

    ``data`` are the bytes that would be stored, without names, places and dates.
    """

    name: str
    data: bytes
    picture: NDArray[np.uint8]
    found: Segmentation
    model_id: str
    measures: Mapping[str, Any]

    @property
    def doubt(self) -> float:
        """Mean uncertainty in 0..1."""
        return float(self.found.uncertainty.mean()) / 255


def keeps_probabilities(pixels: int, classes: int) -> bool:
    """Say whether the probabilities of every class are kept of a picture of that size."""
    return pixels * classes <= _MOST_KEPT_BYTES


def measures_of(found: Segmentation) -> dict[str, Any]:
    """Return areas and numbers of objects by class, as :meth:`Measures.to_json` has them."""
    from engine.segmentation.measuring import measure

    return measure(found).to_json()


def keep(
    store: Store,
    files: Files,
    image: Image,
    found: Segmentation,
    *,
    model_id: str,
    created_by: str,
    job_id: str | None = None,
) -> Prediction:
    """Store an answer about ``image`` in place of the earlier one of the same model.

    Raises
    ------
    NotFoundError
        When the picture was removed in the meantime.
    """
    made = Prediction(
        model_id=model_id,
        image_id=image.id,
        model=found.model,
        image_sha256=image.sha256,
        classes=found.classes,
        mask_sha256=_grey(files, found.mask),
        uncertainty_sha256=_grey(files, found.uncertainty),
        probabilities_sha256=(
            None
            if found.probabilities is None
            else _grey(files, found.probabilities.reshape(-1, found.width))
        ),
        doubt=float(found.uncertainty.mean()) / 255,
        pixel_size_um=found.pixel_size_um,
        measures=measures_of(found),
        seconds=found.seconds,
        job_id=job_id,
        created_by=created_by,
    )
    _put(store, made)
    return made


def refused(
    store: Store, image: Image, reason: str, *, model_id: str, created_by: str, job_id: str | None
) -> Prediction:
    """Note that a model could not answer; an earlier answer about the picture stays."""
    made = Prediction(
        model_id=model_id,
        image_id=image.id,
        image_sha256=image.sha256,
        status="failed",
        error=reason[:2000],
        job_id=job_id,
        created_by=created_by,
    )
    _put(store, made)
    return made


def load(files: Files, prediction: Prediction) -> Segmentation:
    """Return a stored answer.

    Raises
    ------
    NotFoundError
        When the model could not answer, or a file is not there.
    DamagedFileError, PictureError
        When a file is not what was stored.
    """
    from engine.segmentation.results import Segmentation

    if prediction.mask_sha256 is None or prediction.uncertainty_sha256 is None:
        raise NotFoundError(f"There is no answer about this picture: {prediction.error}")
    mask = _pixels(files, prediction.mask_sha256)
    probabilities = None
    if prediction.probabilities_sha256 is not None:
        probabilities = _pixels(files, prediction.probabilities_sha256).reshape(
            len(prediction.classes), *mask.shape
        )
    return Segmentation(
        mask=mask,
        uncertainty=_pixels(files, prediction.uncertainty_sha256),
        probabilities=probabilities,
        classes=prediction.classes,
        model=prediction.model,
        pixel_size_um=prediction.pixel_size_um,
        seconds=prediction.seconds,
    )


def _put(store: Store, made: Prediction) -> None:
    with store.transaction("images", "predictions") as changes:
        if changes["images"].get(made.image_id) is None:
            raise NotFoundError("This picture was removed in the meantime; choose another one.")
        for old in changes["predictions"].where(image_id=made.image_id, model_id=made.model_id):
            if made.status == "completed" or old.status == "failed":
                changes["predictions"].remove(old.id)
        changes["predictions"].put(made)


def _grey(files: Files, pixels: NDArray[np.uint8]) -> str:
    import cv2
    import numpy as np

    fast = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    written, data = cv2.imencode(".png", np.ascontiguousarray(pixels), fast)
    if not written:
        raise PictureError("The answer could not be written as a PNG; try again.")
    return files.put(bytes(data), media_type="image/png").sha256


def _pixels(files: Files, sha256: str) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    data = np.frombuffer(files.read(sha256), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise PictureError("A stored answer cannot be read as a picture; ask the model again.")
    return np.asarray(pixels, np.uint8)

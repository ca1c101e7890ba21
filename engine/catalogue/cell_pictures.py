"""Pictures in which cells are looked for: brought in, read, searched, measured, exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, final

from engine.catalogue.visibility import require_sample
from engine.errors import NotFoundError, RequestError
from engine.people.permissions import require
from engine.store import now
from engine.store.records import Image

if TYPE_CHECKING:
    from engine.catalogue.cell_marks import CellMarks
    from engine.cells.detectors import Backend
    from engine.cells.exports import MarkedPicture
    from engine.cells.results import CellsFound
    from engine.imaging.pictures import Picture
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.settings import Settings
    from engine.store import Store
    from engine.store.files import Files
    from engine.store.records import CellAnnotation

__all__ = ["CellPictures", "ExportKind", "marked_picture"]

ExportKind = Literal["csv", "coco", "geojson", "report"]
_THUMBNAIL_PX: Final = 320
_ENDINGS: Final = {"csv": "csv", "coco": "json", "geojson": "geojson", "report": "html"}


@final
class CellPictures:
    """The pixels behind :class:`~engine.catalogue.cell_marks.CellMarks`."""

    def __init__(
        self, settings: Settings, store: Store, files: Files, marks: CellMarks, audit: AuditLog
    ) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._marks = marks
        self._audit = audit

    def add(self, actor: Actor, data: bytes, name: str) -> Image:
        """Keep a picture that somebody sent, without what its file tells about people.

        Raises
        ------
        PictureError, TooLargeError
            When it is no picture, or one above the limits.
        """
        from engine.imaging import pictures

        require(actor, "datasets.add")
        picture = self.decoded(data)
        # Written anew from its pixels: nothing of the file's own notes is kept.
        kept = self._files.put(pictures.encode_png(picture), media_type="image/png")
        small = self._files.put(pictures.encode_jpeg(_small(picture), 85), media_type="image/jpeg")
        image = Image(
            name=_plain(name),
            sha256=kept.sha256,
            media_type=kept.media_type,
            size_bytes=kept.size,
            width_px=picture.shape[1],
            height_px=picture.shape[0],
            thumbnail_sha256=small.sha256,
            uploader_id=actor.id,
            details={"for": "cells"},
        )
        with self._store.images.transaction() as images:
            images.put(image)
        self._audit.write(
            actor, "datasets.add", record=f"images/{image.id}", text="Brought in a picture of cells"
        )
        return image

    def pixels(self, actor: Actor, image_id: str) -> Picture:
        """Return a stored picture, ``(H, W, 3) uint8`` RGB, upright.

        Raises
        ------
        NotFoundError
            When there is none for this actor.
        """
        return self.decoded(self._files.read(self._marks.image(actor, image_id).sha256))

    def first_of_sample(self, actor: Actor, sample_id: str) -> str:
        """Return the id of a sample's first picture.

        Raises
        ------
        NotFoundError
            When there is no such sample for this actor, or it has no picture.
        """
        require(actor, "cells.view")
        sample = require_sample(self._store, actor, sample_id)
        if not sample.image_ids:
            raise NotFoundError(f"Sample {sample.id} has no picture yet; add one first.")
        return sample.image_ids[0]

    def decoded(self, data: bytes) -> Picture:
        """Return the pixels of a file within this server's limits."""
        from engine.imaging import pictures

        return pictures.decode(
            data,
            max_pixels=self._settings.max_megapixels * 1_000_000,
            max_bytes=self._settings.max_upload_mb * 1_000_000,
        )

    def detect(
        self,
        actor: Actor,
        picture: Picture,
        backend: Backend = "network",
        parameters: Mapping[str, float] | None = None,
    ) -> CellsFound:
        """Look for cells; nothing is kept."""
        from engine.cells.detecting import detect

        require(actor, "cells.detect")
        return detect(picture, backend, parameters, settings=self._settings)

    def set_pixel_size(self, actor: Actor, image_id: str, pixel_size_um: float | None) -> Image:
        """Note the edge of a picture's pixels in µm; ``None`` or 0: not known.

        Raises
        ------
        RequestError
            When no microscope has such pixels.
        """
        from engine.cells.measuring import checked_pixel_size

        require(actor, "cells.annotate")
        self._marks.image(actor, image_id)
        edge = checked_pixel_size(pixel_size_um)
        with self._store.images.transaction() as images:
            changed = images.put(replace(images[image_id], pixel_size_um=edge, updated_at=now()))
        self._audit.write(
            actor, "cells.annotate", record=f"images/{image_id}", text="Set the size of a pixel"
        )
        return changed

    def export(self, actor: Actor, image_id: str, kind: ExportKind) -> bytes:
        """Return a file with a picture's cells.

        Raises
        ------
        NotFoundError, RequestError
        """
        from engine.cells import exports

        image = self._marks.image(actor, image_id)
        marked = marked_picture(image, self._marks.of_image(actor, image_id), self._colours())
        if kind == "csv":
            return exports.csv_table([marked])
        if kind == "coco":
            return exports.coco_document([marked])
        if kind == "geojson":
            return exports.geojson_document(marked)
        if kind != "report":
            raise RequestError("'kind' must be one of csv, coco, geojson and report.")
        return self._report(actor, marked)

    def file_name(self, image: Image, kind: ExportKind) -> str:
        """Return what an exported file is called."""
        stem = image.name.rpartition(".")[0] or image.name
        return f"{stem}_cells.{_ENDINGS[kind]}"

    def _report(self, actor: Actor, marked: MarkedPicture) -> bytes:
        from engine.cells.exports import report_html
        from engine.imaging.pictures import to_data_uri

        return report_html(
            marked,
            picture_uri=to_data_uri(self.pixels(actor, marked.id), "jpeg"),
            made_at=now(),
            made_by=actor.name,
        )

    def _colours(self) -> dict[str, str]:
        return {kind.name: kind.colour for kind in self._store.cell_types.read()}


def marked_picture(
    image: Image, cells: tuple[CellAnnotation, ...], colours: Mapping[str, str]
) -> MarkedPicture:
    """Return records as exports take them."""
    from engine.cells.exports import MarkedCell, MarkedPicture

    return MarkedPicture(
        id=image.id,
        name=image.name,
        width=image.width_px,
        height=image.height_px,
        pixel_size_um=image.pixel_size_um,
        colours=tuple(colours.items()),
        cells=tuple(
            MarkedCell(
                id=one.id,
                label=one.cell_type,
                x=one.cell_coordinates.x,
                y=one.cell_coordinates.y,
                width=one.cell_coordinates.width,
                height=one.cell_coordinates.height,
                confidence=one.confidence,
                origin=one.origin,
                author=one.user_id,
                comments=one.comments,
                at=one.updated_at,
            )
            for one in cells
        ),
    )


def _small(picture: Picture) -> Picture:
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    factor = min(1.0, _THUMBNAIL_PX / width, 2 * _THUMBNAIL_PX / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _plain(name: str) -> str:
    """Return the last part of a path as text for one line."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:200] or "picture"

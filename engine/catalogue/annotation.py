"""Drawing masks: who has the pen, strokes that are kept at once, revisions, and the way back."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from engine.catalogue.second_readings import require_sighted
from engine.catalogue.visibility import require_sample
from engine.errors import NotFoundError, PictureError, RequestError, TooLargeError
from engine.people.permissions import allowed, require
from engine.store import new_id, now
from engine.store.records import Image, Mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.annotation.canvas_objects import Seed
    from engine.annotation.journal import Journal
    from engine.annotation.raster import Box
    from engine.annotation.strokes import Stroke
    from engine.annotation.tiles import WholePicture
    from engine.annotation.working import WorkingMask
    from engine.people.actors import Actor
    from engine.people.audit import AuditLog
    from engine.store import Store
    from engine.store.files import Files

__all__ = ["Annotations", "Comparison", "Pen", "Standing", "moved"]

_BOARDS: Final = 3
_KEPT_BYTES: Final = 500_000_000
_MOST_CLASSES: Final = 255
_WAND_PX: Final = 1024
_MOST_AT_ONCE: Final = 16_000_000
_STANDARD: Final = ("background", "unhealthy", "healthy")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Who draws on a picture; ``is_mine`` when it is the tab that asked."""

    is_mine: bool
    name: str
    may_draw: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the drawing of a picture is; ``state`` changes with everything that counts."""

    state: str
    strokes: int
    unsaved: int
    can_undo: bool
    can_redo: bool
    damaged: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two revisions: pixels, pixels per state in each, and a picture."""

    changed_px: int
    first: dict[int, int]
    second: dict[int, int]
    picture: bytes


@dataclass(slots=True)
class _Board:
    """What is kept in memory of one picture while somebody draws on it."""

    image: Image
    journal: Journal
    mask: WorkingMask
    lock: threading.RLock = field(default_factory=threading.RLock)
    picture: WholePicture | Any = None
    seen: tuple[tuple[Any, ...], NDArray[np.uint8]] | None = None

    @property
    def kept_bytes(self) -> int:
        return self.mask.kept_bytes + (self.picture.kept_bytes if self.picture is not None else 0)


@final
class Annotations:
    """Masks of pictures as people draw them; safe from any thread.

    ``is_open`` of the methods that take it says whether a tab of this process is still there.
    """

    def __init__(self, store: Store, files: Files, audit: AuditLog, folder: Path) -> None:
        self._store, self._files, self._audit = store, files, audit
        self._folder = folder
        self._boards: OrderedDict[str, _Board] = OrderedDict()
        self._opening = threading.Lock()

    # --- looking -------------------------------------------------------------------------------

    def image(self, image_id: str, actor: Actor) -> Image:
        """Return the picture's record.

        Raises
        ------
        NotFoundError
            When there is none, or none for this actor.
        NotAllowedError
            When the actor reads it a second time and must not see the first mask.
        """
        require(actor, "masks.view")
        images = self._store.images.read()
        image = images.get(image_id)
        if image is None:
            raise NotFoundError(
                f"There is no picture {image_id[:80]!r}; it was removed. Choose one from the list."
            )
        if image.sample_id:
            require_sample(self._store, actor, image.sample_id)
        require_sighted(images, image, actor)
        return image

    def classes(self, image: Image) -> tuple[str, ...]:
        """Return the names of the states that may be drawn, by their value from 0 on."""
        dataset = self._store.datasets.read().get(image.dataset_id or "")
        named = tuple(str(name) for name in image.details.get("classes", ()))  # second readings
        return (dataset.classes if dataset else named) or _STANDARD

    def standing(self, image_id: str, actor: Actor) -> Standing:
        """Return how far the drawing is, with what other tabs and processes did."""
        board = self._board(image_id, actor)
        with board.lock:
            history = board.journal.history()
            return Standing(
                state=f"{history.last}-{history.outcome}",
                strokes=sum(what.stroke is not None for what in history.done),
                unsaved=history.unsaved,
                can_undo=history.undoable is not None,
                can_redo=history.redoable is not None,
                damaged=board.journal.damaged,
            )

    def mask(self, image_id: str, actor: Actor) -> NDArray[np.uint8]:
        """Return a copy of the mask as it is now, with every stroke, ``(H, W) uint8``."""
        board = self._board(image_id, actor)
        with board.lock:
            board.mask.follow(board.journal.history())
            return board.mask.pixels.copy()

    def view(
        self,
        image_id: str,
        actor: Actor,
        box: Box,
        *,
        width: int,
        height: int,
        colours: dict[int, tuple[int, int, int]],
        opacity: float,
    ) -> bytes:
        """Return ``box`` of the picture with its mask over it, as a JPEG of ``width × height``."""
        from engine.annotation.tiles import laid_over
        from engine.imaging import pictures

        board = self._board(image_id, actor)
        with board.lock:
            board.mask.follow(board.journal.history())
            seen = self._seen(board, box, width, height)
            if opacity > 0 and colours:
                seen = laid_over(seen, board.mask.pixels[box.part], colours, opacity=opacity)
        return pictures.encode_jpeg(seen, 88)

    # --- drawing -------------------------------------------------------------------------------

    def take(
        self,
        image_id: str,
        actor: Actor,
        tab: str,
        *,
        is_open: Callable[[str], bool],
        by_force: bool = False,
    ) -> Pen:
        """Ask for the pen, or renew it; somebody who may only look gets none."""
        board = self._board(image_id, actor)
        if not allowed(actor, "masks.draw"):
            lease = board.journal.lease()
            has = lease is not None and lease.holds(is_open)
            return Pen(is_mine=False, name=lease.name if lease and has else "", may_draw=False)
        if by_force:
            self._audit.write(
                actor, "masks.draw", record=f"images/{image_id}", text="Took over the drawing."
            )
        self._begin(board)
        lease = board.journal.take(
            tab, author=actor.id, name=actor.name, is_open=is_open, by_force=by_force
        )
        return Pen(is_mine=lease.tab == tab, name=lease.name, may_draw=True)

    def draw(self, image_id: str, actor: Actor, marks: Iterable[Stroke | Seed], *, tab: str) -> int:
        """Keep strokes as they end; return how many were new. One that was kept is passed over.

        Raises
        ------
        BusyError
            When another tab has the pen.
        RequestError
            When a state is none of the picture's classes.
        DiskShortError, StoreError
            When a stroke could not be kept; those before it are.
        """
        require(actor, "masks.draw")
        board = self._board(image_id, actor)
        classes = len(self.classes(board.image))
        new = 0
        with board.lock:
            for mark in marks:
                if mark.state not in (*range(classes), 255):
                    raise RequestError(
                        f"'state' must be from 0 to {classes - 1}, or 255, but is {mark.state}."
                    )
                if mark.mark and mark.mark in board.journal.history().marks:
                    continue
                stroke = self._as_stroke(board, mark)
                if stroke is None:
                    continue
                before = board.journal.history().last
                board.journal.append(replace(stroke, author=actor.id, tab=tab), tab=tab)
                new += board.journal.history().last > before
            if new:
                board.mask.follow(board.journal.history())
        return new

    def undo(self, image_id: str, actor: Actor, *, tab: str, seq: int | None = None) -> int | None:
        """Take the last stroke back, or the one named; return which, ``None`` for none."""
        require(actor, "masks.draw")
        return self._board(image_id, actor).journal.undo(tab=tab, seq=seq)

    def redo(self, image_id: str, actor: Actor, *, tab: str) -> int | None:
        """Bring back what was taken back last; return which, ``None`` for none."""
        require(actor, "masks.draw")
        return self._board(image_id, actor).journal.redo(tab=tab)

    # --- revisions -----------------------------------------------------------------------------

    def revisions(self, image_id: str, actor: Actor) -> tuple[Mask, ...]:
        """Return the stored masks of the picture, newest first."""
        self.image(image_id, actor)
        found = self._store.masks.read().where(image_id=image_id)
        return tuple(sorted(found, key=lambda mask: (mask.revision, mask.at), reverse=True))

    def save(
        self,
        image_id: str,
        actor: Actor,
        *,
        tab: str,
        comment: str = "",
        for_review: bool = False,
    ) -> Mask:
        """Store the mask as it is now as a revision, with the strokes that made it.

        Raises
        ------
        BusyError
            When another tab has the pen.
        """
        require(actor, "masks.draw")
        board = self._board(image_id, actor)
        with board.lock:
            board.journal.require(tab)
            history = board.journal.history()
            board.mask.follow(history)
            mask = self._stored(board, actor, comment=comment, for_review=for_review)
            board.journal.saved(mask.sha256, revision=mask.id, outcome=history.outcome)
        self._audit.write(
            actor,
            "masks.draw",
            record=f"masks/{mask.id}",
            text=f"Stored revision {mask.revision} of a mask.",
        )
        return mask

    def warnings(self, image_id: str, actor: Actor) -> tuple[str, ...]:
        """Return what looks wrong in the mask as it is now, in sentences; nothing is stopped."""
        from engine.annotation.validating import validate

        board = self._board(image_id, actor)
        mask = self.mask(image_id, actor)
        found = validate(mask, board.mask.shape, names=self.classes(board.image))
        return tuple(warned.sentence for warned in found)

    def restore(self, image_id: str, mask_id: str, actor: Actor, *, tab: str) -> Mask:
        """Go back to a stored mask; what is drawn since can be brought back by undoing this."""
        require(actor, "masks.draw")
        board = self._board(image_id, actor)
        mask = self._revision(image_id, mask_id)
        self._load(board.image, mask.sha256)  # a sentence now, if it cannot be used
        with board.lock:
            board.journal.restore(mask.sha256, tab=tab, author=actor.id)
        self._audit.write(
            actor,
            "masks.draw",
            record=f"masks/{mask.id}",
            text=f"Went back to revision {mask.revision} of a mask.",
        )
        return mask

    def compare(
        self,
        image_id: str,
        actor: Actor,
        first: str,
        second: str,
        *,
        width: int = 720,
    ) -> Comparison:
        """Return what differs between two stored masks; ``""`` is the mask as it is now."""
        import numpy as np

        from engine.annotation.raster import Box
        from engine.annotation.tiles import laid_over
        from engine.imaging import pictures

        board = self._board(image_id, actor)
        a, b = (self._named(board, actor, name) for name in (first, second))
        differs = np.where(a != b, np.uint8(1), np.uint8(0))
        box = Box.whole(a.shape)
        width = min(width, box.width)
        height = max(1, round(box.height * width / box.width))
        with board.lock:
            seen = self._seen(board, box, width, height)
        shown = laid_over(seen, differs, {1: (213, 94, 0)}, opacity=0.6)
        return Comparison(
            changed_px=int(differs.sum()),
            first=_counts(a),
            second=_counts(b),
            picture=pictures.encode_jpeg(shown, 88),
        )

    # --- boards --------------------------------------------------------------------------------

    def _board(self, image_id: str, actor: Actor) -> _Board:
        from engine.annotation.journal import Journal
        from engine.annotation.working import WorkingMask

        image = self.image(image_id, actor)
        with self._opening:
            board = self._boards.get(image_id)
            if board is None or board.image.sha256 != image.sha256:
                shape = (image.height_px, image.width_px)
                if not (shape[0] and shape[1]):
                    raise PictureError("The size of this picture is not known; import it again.")
                mask = WorkingMask(shape, lambda name: self._load(image, name))
                board = _Board(image=image, journal=Journal(self._folder, image.id), mask=mask)
                self._boards[image_id] = board
            self._boards.move_to_end(image_id)
            self._forget_others()
        return board

    def _forget_others(self) -> None:
        while len(self._boards) > 1 and (
            len(self._boards) > _BOARDS
            or sum(board.kept_bytes for board in self._boards.values()) > _KEPT_BYTES
        ):
            self._boards.popitem(last=False)

    def _begin(self, board: _Board) -> None:
        """Lay the mask that counts under the first stroke of a picture."""
        from engine.catalogue.picture_records import chosen_mask

        with board.lock:
            history = board.journal.history()
            if history.last:
                return
            found = chosen_mask(self._store.masks.read(), board.image.id)
            if found is not None:
                self._load(board.image, found.sha256)
                board.journal.saved(found.sha256, revision=found.id, outcome=history.outcome)

    def _load(self, image: Image, name: str) -> NDArray[np.uint8]:
        from engine.imaging import masks

        mask = masks.decode(self._files.read(name), classes=_MOST_CLASSES)
        if mask.shape != (image.height_px, image.width_px):
            raise PictureError(
                f"The mask is {mask.shape[1]}×{mask.shape[0]} but its picture is "
                f"{image.width_px}×{image.height_px}; import the mask at the picture's size."
            )
        return mask

    def _seen(self, board: _Board, box: Box, width: int, height: int) -> NDArray[np.uint8]:
        """Return the box of the picture itself; the last one is kept."""
        from engine.annotation.tiles import open_picture

        wanted = (box, width, height)
        if board.seen is None or board.seen[0] != wanted:
            with self._files.path(board.image.sha256) as path:
                if board.picture is None or not board.picture.kept_bytes:
                    board.picture = open_picture(path)
                if board.picture.shape != board.mask.shape:
                    raise PictureError(
                        "The stored picture has another size than its record says; import it again."
                    )
                board.seen = (wanted, board.picture.read(box, width=width, height=height))
        return board.seen[1]

    def _as_stroke(self, board: _Board, mark: Stroke | Seed) -> Stroke | None:
        from engine.annotation.raster import connected
        from engine.annotation.runs import Area
        from engine.annotation.strokes import Stroke, on_grid

        if isinstance(mark, Stroke):
            return mark
        if mark.tool == "smart":
            return self._by_edges(board, mark)
        board.mask.follow(board.journal.history())
        return Stroke(
            tool=mark.tool,
            state=mark.state,
            points=on_grid([[mark.x, mark.y]]),
            area=Area.of(connected(board.mask.pixels, mark.x, mark.y)),
            mark=mark.mark,
        )

    def _by_edges(self, board: _Board, seed: Seed) -> Stroke | None:
        """Return what a smart brush finds along its path, or a wand around its click."""
        from engine.annotation.automask import smart_brush, wand
        from engine.annotation.raster import Box

        reach = _WAND_PX if len(seed.points) == 1 else int(seed.width_px) + 32
        low, high = seed.points.min(axis=0), seed.points.max(axis=0)
        around = Box(
            left=int(low[0]) - reach,
            top=int(low[1]) - reach,
            right=int(high[0]) + reach,
            bottom=int(high[1]) + reach,
        ).cut(Box.whole(board.mask.shape))
        if around.is_empty:
            return None
        picture = self._pixels(board, around)
        points = seed.points - (around.left, around.top)
        if len(points) == 1:
            x, y = points[0].tolist()
            found = wand(picture, x, y, state=seed.state, mark=seed.mark)
        else:
            found = smart_brush(picture, points, seed.width_px, state=seed.state, mark=seed.mark)
        return None if found is None else moved(found, around.left, around.top)

    def is_slice(self, image: Image) -> bool:
        """Say whether the name of a picture says that it is a slice of a volume."""
        from engine.catalogue.neighbours import slice_of

        return slice_of(image.name) is not None

    def beside(
        self, image_id: str, actor: Actor
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], float]:
        """Return the masks of the nearest annotated slices before and behind a slice.

        And its place between them in 0..1.

        Raises
        ------
        RequestError
            When it is no slice, or there is no such slice on one of its sides.
        """
        from engine.catalogue.neighbours import other_slices

        image = self.image(image_id, actor)
        others = other_slices(self._store.images.read(), image)
        found: list[tuple[int, NDArray[np.uint8]]] = []
        for side in (-1, 1):
            for away in sorted((one for one in others if one * side > 0), key=abs):
                mask = self._annotated(others[away], actor)
                if mask is not None:
                    found.append((away, mask))
                    break
            else:
                raise RequestError(
                    "Between slices it is filled where a slice before and one behind, of the same "
                    "volume, are annotated; draw on both first."
                )
        (first, before), (last, after) = found
        return before, after, -first / (last - first)

    def _annotated(self, image: Image, actor: Actor) -> NDArray[np.uint8] | None:
        """Return the mask of a picture as it is now, ``None`` when nothing is annotated."""
        from engine.catalogue.picture_records import chosen_mask
        from engine.imaging.masks import NOT_ANNOTATED

        if self.standing(image.id, actor).state.startswith("0-"):  # nobody began to draw
            chosen = chosen_mask(self._store.masks.read(), image.id)
            return None if chosen is None else self._load(image, chosen.sha256)
        mask = self.mask(image.id, actor)
        return None if (mask == NOT_ANNOTATED).all() else mask

    def part(
        self, image_id: str, actor: Actor, box: Box
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the pixels of ``box`` of a picture, ``(h, w, 3)``, and of its mask now."""
        board = self._board(image_id, actor)
        if box.width * box.height > _MOST_AT_ONCE:
            raise TooLargeError(
                f"This part has {box.width * box.height / 1e6:.0f} megapixels, and at most "
                f"{_MOST_AT_ONCE / 1e6:.0f} are looked at together; zoom in first."
            )
        with board.lock:
            board.mask.follow(board.journal.history())
            return self._pixels(board, box), board.mask.pixels[box.part].copy()

    def _pixels(self, board: _Board, box: Box) -> NDArray[np.uint8]:
        """Return the picture's own pixels; leaves what the page looks at in its place."""
        seen = board.seen
        pixels = self._seen(board, box, box.width, box.height)
        board.seen = seen
        return pixels

    def _stored(self, board: _Board, actor: Actor, *, comment: str, for_review: bool) -> Mask:
        import json

        from engine.annotation.automask.provenance import AUTO, model_of
        from engine.imaging import masks

        pixels = board.mask.pixels
        data = masks.encode(pixels, classes=_MOST_CLASSES)
        kept = self._files.put(data, media_type="image/png")
        done = board.journal.history().done
        lines = [json.dumps(what.stroke.as_json()) for what in done if what.stroke is not None]
        strokes = self._files.put("\n".join(lines).encode(), media_type="application/jsonl")
        named = [model_of(what.stroke.mark) for what in done if what.stroke is not None]
        model_id = next((name for name in reversed(named) if name), None)
        names = (*self.classes(board.image),)
        counts = {
            names[value] if value < len(names) else "not_annotated": count
            for value, count in _counts(pixels).items()
        }
        details = self._provenance(board)
        with self._store.transaction("masks", "images") as changes:
            before = changes["masks"].where(image_id=board.image.id)
            parent = max(before, key=lambda mask: mask.revision, default=None)
            by_hand = (parent is None or parent.origin == "human") and not any(
                what.stroke is not None and what.stroke.mark.startswith(AUTO) for what in done
            )
            mask: Mask = changes["masks"].put(
                Mask(
                    id=new_id(),
                    image_id=board.image.id,
                    sha256=kept.sha256,
                    revision=parent.revision + 1 if parent else 1,
                    author=actor.id,
                    parent=parent.id if parent else None,
                    origin="human" if by_hand else "edited",
                    model_id=model_id or (parent.model_id if parent else None),
                    strokes_sha256=strokes.sha256,
                    state="submitted" if for_review else "draft",
                    comment=comment.strip()[:2000],
                    counts=counts,
                    details=details,
                )
            )
            image = changes["images"].get(board.image.id)
            if image is not None:
                status: Any = "to_review" if for_review else "in_progress"
                changes["images"].put(replace(image, status=status, updated_at=now()))
        return mask

    def _provenance(self, board: _Board) -> dict[str, Any]:
        """Return who the pixels and regions come from, and how uncertain what was taken over is."""
        import numpy as np

        from engine.annotation.automask.provenance import MODEL, doubt_of, summary, whence
        from engine.imaging.masks import NOT_ANNOTATED

        done = board.journal.history().done
        ground = done[0].mask if done and done[0].mask else ""
        strokes = [what.stroke for what in done if what.stroke is not None]
        revisions = self._store.masks.read().where(image_id=board.image.id)
        seen: set[str] = set()
        while ground and ground not in seen:  # what a stored mask was drawn with comes before
            seen.add(ground)
            found = next((one for one in revisions if one.sha256 == ground), None)
            ground = str(found.details.get("ground", "")) if found is not None else ""
            if found is not None and found.strokes_sha256:
                strokes = [*self._strokes(found.strokes_sha256), *strokes]
        first = min(revisions, key=lambda mask: mask.revision, default=None)
        base = None
        if first is not None and first.origin == "model":
            drawn = self._load(board.image, first.sha256) != NOT_ANNOTATED
            base = np.where(drawn, np.uint8(MODEL), np.uint8(0))
        origins = whence(strokes, board.mask.shape, base)
        details: dict[str, Any] = {"provenance": summary(board.mask.pixels, origins)}
        doubt = doubt_of(strokes, board.mask.shape)
        if doubt is not None:
            details["uncertainty"] = round(doubt, 4)
        if done and done[0].mask:
            details["ground"] = done[0].mask
        return details

    def _strokes(self, sha256: str) -> list[Stroke]:
        """Return the strokes that were stored with a revision."""
        import json

        from engine.annotation.strokes import Stroke

        lines = self._files.read(sha256).decode().splitlines()
        return [Stroke.from_json(json.loads(line)) for line in lines if line]

    def _revision(self, image_id: str, mask_id: str) -> Mask:
        mask = self._store.masks.read().get(mask_id)
        if mask is None or mask.image_id != image_id:
            raise NotFoundError(
                f"This picture has no revision {mask_id[:80]!r}; choose one from its list."
            )
        return mask

    def _named(self, board: _Board, actor: Actor, name: str) -> NDArray[np.uint8]:
        if not name:
            return self.mask(board.image.id, actor)
        return self._load(board.image, self._revision(board.image.id, name).sha256)


def moved(stroke: Stroke, right: int, down: int) -> Stroke:
    """Return a stroke found in a part of a picture as one of the whole."""
    area = stroke.area
    if area is not None:
        area = replace(area, left=area.left + right, top=area.top + down)
    points = stroke.points.copy()
    points[:, 0] += right
    points[:, 1] += down
    return replace(stroke, points=points, area=area)


def _counts(mask: NDArray[np.uint8]) -> dict[int, int]:
    import numpy as np

    found = np.bincount(mask.ravel(), minlength=256)
    return {int(value): int(found[value]) for value in np.flatnonzero(found)}

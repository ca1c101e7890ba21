"""What the numbers in strangers' masks mean: guessed, shown to a person, and only then applied.

A mapping goes from a label's key (``"255"``, ``"#ff0000"``, ``"*"`` for every other label above 0)
to one of the four states or to the name of a class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.datasets.levels import Levels, levels_of, pooled, present, snapped
from engine.datasets.mask_files import RawMask, label_key, label_of
from engine.errors import DatasetError, RequestError
from engine.imaging import masks

__all__ = [
    "STATE_CLASSES",
    "Convention",
    "Kind",
    "apply",
    "checked_mapping",
    "classes_of",
    "convention_of_names",
    "guess",
]

Kind = Literal[
    "states", "0/1", "0/255", "inverted", "0/128/255", "classes", "palette", "colours", "objects",
    "one value", "named",
]  # fmt: skip
"""``states``: Lightbox's own 0, 1, 2, 255. ``objects``: a number for each object. ``named``: the
form itself says what each label is."""

STATE_CLASSES: Final = ("background", "unhealthy", "healthy")
"""The classes of a dataset whose masks hold states."""

_STATES: Final = tuple(masks.STATES)
_OTHER: Final = "*"
_MOST_KEYS: Final = 64
_GREY_LEVELS: Final = {0: "background", 128: "unhealthy", 255: "healthy"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What a sample of masks looks like. ``pixels`` counts each label's pixels in the sample.

    ``suggested`` is a mapping to start from; only where ``is_certain`` may it be used unasked.
    """

    kind: Kind
    pixels: Mapping[str, int] = field(hash=False)
    suggested: Mapping[str, str] = field(hash=False)
    sentences: tuple[str, ...] = ()
    is_certain: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "kind": self.kind,
            "pixels": dict(self.pixels),
            "suggested": dict(self.suggested),
            "sentences": list(self.sentences),
            "is_certain": self.is_certain,
        }


def guess(sample: Sequence[RawMask]) -> Convention:
    """Return what the masks of a sample have in common.

    Raises
    ------
    DatasetError
        When there are none.
    """
    if not sample:
        raise DatasetError("Expected masks to look at, but there are none.")
    if any(raw.is_colour for raw in sample):
        return _colours(sample)
    levels = levels_of(sample)
    sentences = _seen(levels, sample)
    palette = next((dict(raw.palette) for raw in sample if raw.palette), None)
    if palette is not None and not _is_grey(palette, levels.firm):
        return _palette(levels, palette, sentences)
    return _grey(levels, sample, sentences)


def convention_of_names(names: Mapping[int, str]) -> Convention:
    """Return the convention that a form states itself."""
    suggested = {str(value): name for value, name in names.items()}
    told = ", ".join(f"{value} is {name}" for value, name in sorted(names.items())[:12])
    return Convention(
        kind="named",
        pixels={},
        suggested=suggested,
        sentences=(f"The dataset itself says: {told}.",),
        is_certain=True,
    )


def checked_mapping(
    mapping: Mapping[str, Any], *, may_name_classes: bool = False
) -> dict[str, str]:
    """Return a mapping that a person sent, tidied.

    Forms with drawn shapes have names for labels, which ``may_name_classes`` lets through.

    Raises
    ------
    RequestError
        When a key is no label or a target is no name.
    """
    tidy: dict[str, str] = {}
    for key, target in mapping.items():
        name = target.strip() if isinstance(target, str) else ""
        label = str(key).strip()
        if label == _OTHER or label_of(label) is not None:
            label = label.lower()
        elif not (may_name_classes and 0 < len(label) <= 80):
            raise RequestError(
                "Expected a value (0, 255) or a colour (#ff0000) to map, but got "
                f"{str(key)[:40]!r}."
            )
        if not 0 < len(name) <= 80:
            raise RequestError(
                f"{label} must be mapped to background, unhealthy, healthy, not_annotated or a "
                f"class's name, but is mapped to {str(target)[:40]!r}."
            )
        tidy[label] = name.lower() if name.lower() in _STATES else name
    if not tidy:
        raise RequestError("The mapping is empty; say what each value of the masks means.")
    return tidy


def classes_of(targets: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that a dataset has after a mapping: the states, or the named ones.

    >>> classes_of(["background", "unhealthy"])
    ('background', 'unhealthy', 'healthy')
    >>> classes_of(["background", "nucleus", "gland", "not_annotated"])
    ('background', 'nucleus', 'gland')

    Raises
    ------
    RequestError
        For more classes than a byte holds.
    """
    named = list(dict.fromkeys(targets))
    if all(name in _STATES for name in named):
        return STATE_CLASSES
    classes = ("background", *(n for n in named if n not in ("background", "not_annotated")))
    if len(classes) > masks.NOT_ANNOTATED:
        raise RequestError(
            f"At most 254 classes fit into a mask, but there are {len(classes) - 1}."
        )
    return classes


def apply(
    raw: RawMask,
    mapping: Mapping[str, str],
    *,
    classes: Sequence[str],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the mask ``(H, W) uint8`` of indices into ``classes`` (255: not annotated).

    ``size`` is height and width of its picture. The second answer tells what was repaired.

    Raises
    ------
    DatasetError
        When the mask has labels that the mapping does not know and that are no softened edges, or
        its size does not fit the picture.
    """
    repairs = list(raw.repairs)
    known = {label_of(key): key for key in mapping if key != _OTHER}
    labels = raw.labels
    strange = [label for label in present(labels) if label not in known]
    if strange and _OTHER in mapping:
        strange = [0] if 0 in strange else []
    if strange:
        firm = [label for label in known if label is not None]
        labels, moved = snapped(raw, firm)
        repairs.append(
            f"{moved:,} pixels between the levels (softened edges) were given to the nearest level."
        )
    target = np.zeros(labels.shape, np.uint8)
    if _OTHER in mapping:
        target[labels > 0] = _value(mapping[_OTHER], classes)
    for label, key in known.items():
        target[labels == label] = _value(mapping[key], classes)
    fitted, note = _fitted(target, size)
    return fitted, (*repairs, *note)


def _value(name: str, classes: Sequence[str]) -> int:
    if name == "not_annotated":
        return masks.NOT_ANNOTATED
    try:
        return list(classes).index(name)
    except ValueError:
        raise DatasetError(
            f"The dataset has the classes {', '.join(classes)}, but the mapping names {name}."
        ) from None


def _fitted(
    mask: NDArray[np.uint8], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Bring a mask to its picture's size where only the scale differs."""
    height, width = mask.shape
    if (height, width) == size:
        return mask, ()
    ratio = (width / height) / (size[1] / size[0])
    if not 0.97 <= ratio <= 1 / 0.97:
        turned = " The mask seems to lie on its side." if (width, height) == size else ""
        raise DatasetError(
            f"Mask is {width}×{height} but its picture is {size[1]}×{size[0]}, another shape; "
            f"export the mask at the picture's size.{turned}"
        )
    resized = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8), (
        f"The mask was brought from {width}×{height} to its picture's {size[1]}×{size[0]}.",
    )


# --- guessing ------------------------------------------------------------------------------------


def _grey(levels: Levels, sample: Sequence[RawMask], sentences: list[str]) -> Convention:
    firm = levels.firm
    found = set(firm)
    if levels.looks_like_objects:
        sentences.append(
            f"There are {len(firm)} values, a number for each object; all objects become one class."
        )
        return _answer("objects", levels, {"0": "background", _OTHER: "unhealthy"}, sentences)
    if len(found) == 1:
        return _one_value(levels, sentences)
    if found <= {0, 1, 2, 255} and 2 in found:
        sentences.append("0, 1, 2 and 255 are Lightbox's own states.")
        names = {0: "background", 1: "unhealthy", 2: "healthy", 255: "not_annotated"}
        is_certain = {0, 1, 2, 255} == found
        return _answer("states", levels, {str(v): names[v] for v in firm}, sentences, is_certain)
    if found == {0, 1, 255}:
        sentences.append("255 beside 0 and 1 usually means that nobody looked there.")
        names = {0: "background", 1: "unhealthy", 255: "not_annotated"}
        return _answer("states", levels, {str(v): names[v] for v in firm}, sentences)
    if len(found) == 2:
        return _two(levels, sample, sentences)
    near = {_nearest_grey(value): value for value in firm}
    if len(found) == len(near) == 3 and all(abs(level - v) <= 3 for level, v in near.items()):
        sentences.append("Three grey levels: which one is unhealthy only you can tell.")
        suggested = {str(value): _GREY_LEVELS[level] for level, value in near.items()}
        return _answer("0/128/255", levels, suggested, sentences)
    if _are_numbered(sample):
        sentences.append(
            "Each value is one connected thing, numbered anew in every mask; all objects become "
            "one class."
        )
        return _answer("objects", levels, {"0": "background", _OTHER: "unhealthy"}, sentences)
    suggested = {str(value): f"class {value}" for value in firm}
    if 0 in found:
        suggested["0"] = "background"
    if 255 in found and len(firm) > 2 and sorted(firm)[-2] < 128:
        suggested["255"] = "not_annotated"
        sentences.append("255 far above the other values usually means that nobody looked there.")
    return _answer("classes", levels, suggested, sentences)


def _are_numbered(sample: Sequence[RawMask]) -> bool:
    """Tell whether masks number their objects 1, 2, 3 …: as many as there are, each in one piece.

    Classes are the same in every mask, or miss some in between; numbers of objects differ from
    mask to mask, and never leave one out.
    """
    tops: list[int] = []
    pieces: list[int] = []
    for raw in sample:
        values = [label for label in present(raw.labels) if label > 0]
        if values != list(range(1, len(values) + 1)):
            return False
        tops.append(len(values))
        pieces += [
            cv2.connectedComponents((raw.labels == value).astype(np.uint8))[0] - 1
            for value in values
        ]
    in_one_piece = sum(count == 1 for count in pieces)
    return max(tops) >= 3 and len(set(tops)) > 1 and in_one_piece >= 0.9 * len(pieces)


def _nearest_grey(value: int) -> int:
    return min(_GREY_LEVELS, key=lambda level: abs(level - value))


def _one_value(levels: Levels, sentences: list[str]) -> Convention:
    (value,) = levels.firm
    sentences.append(f"All masks looked at hold nothing but {value}: empty, or full?")
    target = "background" if value == 0 else "unhealthy"
    suggested = {"0": "background", str(value): target}
    if value in (0, 1):
        suggested["1"] = "unhealthy"
    if value in (0, 255):
        suggested["255"] = "unhealthy"
    return _answer("one value", levels, suggested, sentences)


def _two(levels: Levels, sample: Sequence[RawMask], sentences: list[str]) -> Convention:
    low, high = sorted(levels.firm)
    frame = np.concatenate([_frame(raw.labels) for raw in sample])
    at_border = float(np.mean(np.abs(frame - high) < np.abs(frame - low)))
    share = levels.pixels[high] / max(1, levels.pixels[high] + levels.pixels[low])
    kind: Kind = "0/1" if (low, high) == (0, 1) else "0/255" if high >= 200 else "classes"
    marked, empty = high, low
    if at_border > 0.6 and share > 0.5:
        kind, marked, empty = "inverted", low, high
        sentences.append(
            f"{high} fills {share:.0%} of the pixels and most of the borders: the masks seem "
            f"inverted, with {low} for what is marked."
        )
    return _answer(kind, levels, {str(empty): "background", str(marked): "unhealthy"}, sentences)


def _frame(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])


def _is_grey(palette: Mapping[int, int], used: Sequence[int]) -> bool:
    """Tell whether a palette only repeats its indices as greys."""
    return all(palette.get(at, at * 0x010101) == at * 0x010101 for at in used)


def _palette(levels: Levels, palette: Mapping[int, int], sentences: list[str]) -> Convention:
    colours = {value: palette.get(value, 0) for value in levels.firm}
    told = ", ".join(f"{value} is #{colour:06x}" for value, colour in list(colours.items())[:12])
    sentences.append(f"The masks have a palette: {told}.")
    suggested = {str(value): name for value, name in _by_colour(colours).items()}
    return _answer("palette", levels, suggested, sentences)


def _colours(sample: Sequence[RawMask]) -> Convention:
    wide = pooled(sample)
    levels = levels_of(wide)
    sentences = [f"The masks have {len(levels.firm)} colours."]
    if levels.soft_share > 0:
        sentences.append(_soft(levels))
    names = _by_colour({value: value for value in levels.firm})
    return Convention(
        kind="colours",
        pixels={label_key(v, is_colour=True): levels.pixels[v] for v in levels.firm},
        suggested={label_key(v, is_colour=True): name for v, name in names.items()},
        sentences=tuple(sentences),
    )


def _by_colour(colours: Mapping[int, int]) -> dict[int, str]:
    """Suggest a meaning for each label by its colour: red unhealthy, green healthy."""
    words = {value: _word(colour) for value, colour in colours.items()}
    states = {"black": "background", "red": "unhealthy", "green": "healthy"}
    states["white"] = "not_annotated" if "black" in words.values() else "background"
    used = list(words.values())
    if len(set(used)) == len(used) and set(used) <= set(states):
        return {value: states[word] for value, word in words.items()}
    plain = {"black": "background"} if "black" in used else {"white": "background"}
    return {
        value: plain.get(word) or f"{word} {colours[value]:06x}" for value, word in words.items()
    }


def _word(colour: int) -> str:
    red, green, blue = colour >> 16, colour >> 8 & 255, colour & 255
    low, high = min(red, green, blue), max(red, green, blue)
    if high - low < 40:
        return "black" if high < 60 else "white" if low > 195 else "grey"
    if red == high and green < (high + low) / 2 and blue < (high + low) / 2:
        return "red"
    if green == high and red < (high + low) / 2 and blue < (high + low) / 2:
        return "green"
    return "blue" if blue == high else "colour"


def _seen(levels: Levels, sample: Sequence[RawMask]) -> list[str]:
    values = ", ".join(map(str, levels.firm[:12])) + (" …" if len(levels.firm) > 12 else "")
    sentences = [f"{len(sample)} masks looked at hold the values {values}."]
    if levels.soft_share > 0 and not levels.looks_like_objects:
        sentences.append(_soft(levels))
    if any(raw.repairs for raw in sample):
        sentences += sorted({repair for raw in sample for repair in raw.repairs})
    return sentences


def _soft(levels: Levels) -> str:
    return (
        f"{levels.soft_share:.2%} of the pixels lie between these levels (softened edges); each "
        "is given to the nearest level."
    )


def _answer(
    kind: Kind,
    levels: Levels,
    suggested: Mapping[str, str],
    sentences: Sequence[str],
    is_certain: bool = False,
) -> Convention:
    kept = levels.firm[:_MOST_KEYS]
    return Convention(
        kind=kind,
        pixels={str(value): levels.pixels[value] for value in kept},
        suggested=dict(list(suggested.items())[:_MOST_KEYS]),
        sentences=tuple(sentences),
        is_certain=is_certain,
    )

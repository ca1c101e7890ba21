"""How a training will go: every choice, with the reason for it, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal, final, get_args

from engine.errors import MemoryShortError, RequestError
from engine.training.architectures import architecture_named
from engine.training.augmentation import Strength
from engine.training.fingerprint import Fingerprint
from engine.training.machine import Machine, this_machine
from engine.training.memory import forecast_mb

__all__ = ["DEFAULT_MINUTES", "Plan", "Precision", "Reason", "Wishes", "plan"]

Precision = Literal["bf16", "f32"]
DEFAULT_MINUTES: Final = 15.0
_PATCH_SIDES: Final = (256, 192, 128, 96, 64)
_WIDE: Final = (24, 48, 96, 128, 192)
_DEEPER: Final = 256
_TIME_FOR_WIDE: Final = {"minutes": 4.0, "epochs": 20}
_LARGE_OBJECT_PX: Final = 40.0
"""From this width on, structures outgrow what five floors see around a pixel."""
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody asked for; ``None`` leaves the choice to the plan.

    ``minutes`` is the whole time, preparing and measuring included; ``epochs`` ends the training
    by count instead. ``fold`` (0 to 4) makes that fifth of the groups the test.
    """

    minutes: float | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    patch_px: int | None = None
    variant: str | None = None
    augmentation: Strength | None = None
    class_weights: Literal["none", "balanced"] | None = None
    focus: float | None = None
    pretrained: bool = False
    seed: int = 0
    fold: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("minutes", 0.1, 7 * 24 * 60), ("epochs", 1, 10_000), ("learning_rate", 1e-6, 1.0),
            ("batch_size", 1, 256), ("patch_px", 32, 1024), ("seed", 0, 2**31 - 1),
            ("fold", 0, 4), ("focus", 0.0, 5.0),
        ):  # fmt: skip
            _check_number(name, getattr(self, name), low, high)
        if self.variant is not None:
            architecture_named(str(self.variant))
        if self.augmentation is not None and self.augmentation not in get_args(Strength):
            raise RequestError(
                f"'augmentation' must be one of {', '.join(get_args(Strength))}, but is "
                f"{str(self.augmentation)[:40]!r}."
            )
        if self.class_weights not in (None, "none", "balanced"):
            raise RequestError("'class_weights' must be 'none' or 'balanced'.")
        if not isinstance(self.pretrained, bool):
            raise RequestError("'pretrained' must be true or false.")

    @classmethod
    def from_json(cls, document: object) -> Wishes:
        """Read wishes from a request.

        Raises
        ------
        RequestError
            When a name is unknown or a value out of range; the message names it.
        """
        if not isinstance(document, Mapping):
            raise RequestError("The wishes for a training must be an object with names and values.")
        known = [one.name for one in fields(cls)]
        if unknown := sorted(set(document) - set(known)):
            raise RequestError(
                f"A training takes {', '.join(known)}, but {', '.join(map(str, unknown))[:80]} "
                "came."
            )
        return cls(**document)

    def to_json(self) -> dict[str, Any]:
        """Return what was wished for, without what was left open."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One choice in words: what it is about, what was chosen, and why."""

    about: str
    chosen: str
    because: str

    @property
    def sentence(self) -> str:
        """The choice as one line."""
        return f"{self.about}: {self.chosen}. {self.because}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a training depends on, besides its pictures.

    With ``minutes`` the number of steps follows from how fast they turn out to be; with ``epochs``
    it is ``epochs × steps_per_epoch``. ``memory_mb`` is the forecast of the peak, ``seconds`` that
    of the whole. ``class_weights`` is empty where all classes count alike.
    """

    variant: str
    options: Mapping[str, Any] = field(hash=False)
    classes: tuple[str, ...]
    patch_px: int
    batch_size: int
    minutes: float | None
    epochs: int | None
    steps_per_epoch: int
    learning_rate: float
    warm_up_share: float
    weight_decay: float
    clip: float
    averaging: float
    augmentation: Strength
    class_weights: tuple[float, ...]
    focus: float
    precision: Precision
    patience_epochs: int
    seed: int
    fold: int | None
    memory_mb: float
    seconds: float
    reasons: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON."""
        document = asdict(replace(self, options={}))
        document["options"] = {k: _plain(v) for k, v in self.options.items()}
        return {key: _plain(value) for key, value in document.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """Read what :meth:`to_json` wrote."""
        given = dict(document)
        for name in ("classes", "class_weights"):
            given[name] = tuple(given[name])
        given["reasons"] = tuple(Reason(**row) for row in given["reasons"])
        return cls(**given)


def plan(
    found: Fingerprint,
    classes: tuple[str, ...],
    machine: Machine | None = None,
    wishes: Wishes | None = None,
) -> Plan:
    """Choose everything that nobody wished for.

    Raises
    ------
    MemoryShortError
        When not even the smallest patches fit, or what was wished for does not.
    """
    machine, wishes = machine or this_machine(), wishes or Wishes()
    reasons: list[Reason] = []

    def say(about: str, chosen: object, because: str) -> None:
        reasons.append(Reason(about=about, chosen=str(chosen), because=because))

    minutes, epochs = _length(wishes, say)
    precision: Precision = "bf16" if machine.has_bf16 else "f32"
    say(
        "Precision", precision,
        "This processor computes in bf16, about three times as fast."
        if machine.has_bf16 else "This processor has no bf16 instructions.",
    )  # fmt: skip
    variant, options = _network(found, wishes, minutes, say)
    patch_px = _patch(found, wishes, variant, say)
    batch_size = _batch(wishes, say)
    patch_px, batch_size, memory_mb = _fitted(
        variant, len(classes), options, patch_px, batch_size, precision, machine, wishes, say
    )
    weights = _weights(found, classes, wishes, say)
    augmentation = _augmentation(found, wishes, say)
    rate = wishes.learning_rate or (1e-3 if wishes.pretrained else 2e-3)
    say(
        "Learning rate", f"{rate:g}",
        "As you wished." if wishes.learning_rate
        else "AdamW with a warm-up and a cosine to zero; this rate has proved itself.",
    )  # fmt: skip
    steps = _steps_per_epoch(found, patch_px, batch_size)
    seconds = (
        minutes * 60
        if minutes
        else float(epochs or 1) * steps * _step_s(patch_px, batch_size, machine)
    )
    return Plan(
        variant=variant,
        options=options,
        classes=classes,
        patch_px=patch_px,
        batch_size=batch_size,
        minutes=minutes,
        epochs=epochs,
        steps_per_epoch=steps,
        learning_rate=rate,
        warm_up_share=0.05,
        weight_decay=0.01,
        clip=1.0,
        averaging=0.995,
        augmentation=augmentation,
        class_weights=weights,
        focus=wishes.focus or 0.0,
        precision=precision,
        patience_epochs=12,
        seed=wishes.seed,
        fold=wishes.fold,
        memory_mb=memory_mb,
        seconds=round(seconds, 1),
        reasons=tuple(reasons),
    )


_Say = Any  # Callable[[str, object, str], None]


def _length(wishes: Wishes, say: _Say) -> tuple[float | None, int | None]:
    if wishes.epochs is not None and wishes.minutes is None:
        say("Length", f"{wishes.epochs} epochs", "As you wished.")
        return None, wishes.epochs
    minutes = wishes.minutes or DEFAULT_MINUTES
    because = (
        "As you wished: preparing, training and measuring together."
        if wishes.minutes
        else "Enough for a few hundred pictures; more time helps more pictures."
    )
    unit = "minute" if minutes == 1 else "minutes"
    say("Length", f"{minutes:g} {unit}", because)
    return minutes, wishes.epochs


def _network(
    found: Fingerprint, wishes: Wishes, minutes: float | None, say: _Say
) -> tuple[str, dict[str, Any]]:
    variant = wishes.variant or "unet"
    architecture = architecture_named(variant)
    options = dict(architecture.options)
    if wishes.pretrained and architecture.can_be_pretrained:
        options["pretrained"] = True
    because = "As you wished." if wishes.variant else (
        "Keeps thin structures and is quick on a processor."
    )  # fmt: skip
    if variant == "unet":
        options["widths"], form = _form(found, options["widths"], _has_time(wishes, minutes))
        because += form
    say("Network", architecture.title, because)
    return variant, options


def _has_time(wishes: Wishes, minutes: float | None) -> bool:
    if minutes is not None:
        return minutes >= _TIME_FOR_WIDE["minutes"]
    return (wishes.epochs or 0) >= _TIME_FOR_WIDE["epochs"]


def _form(
    found: Fingerprint, narrow: tuple[int, ...], has_time: bool
) -> tuple[tuple[int, ...], str]:
    """Return the width of each floor of our U-Net, and why in words that follow a sentence."""
    if not has_time:
        return narrow, " The narrow form, since the training is short."
    largest = max(found.object_px.values(), default=0.0)
    if largest < _LARGE_OBJECT_PX:
        return _WIDE, " The wider form, since there is time."
    return (*_WIDE, _DEEPER), (
        f" The wider form, since there is time, and one floor deeper: structures are {largest:.0f} "
        "px across, and a pixel has to see them whole."
    )


def _patch(found: Fingerprint, wishes: Wishes, variant: str, say: _Say) -> int:
    multiple = architecture_named(variant).side_multiple
    if wishes.patch_px:
        # At least two places are left on the lowest floor: one alone has no spread to divide by.
        side = max(2 * multiple, round(wishes.patch_px / multiple) * multiple)
        say(
            "Patch", f"{side} px",
            f"As you wished, in steps of {multiple} px and at least {2 * multiple}.",
        )  # fmt: skip
        return side
    typical = min(found.median_height_px, found.median_width_px)
    fitting = [side for side in _PATCH_SIDES if side <= max(64, typical * 1.25)]
    side = fitting[0]
    say(
        "Patch", f"{side} px",
        f"The typical picture is {found.median_width_px}×{found.median_height_px} px; larger "
        "patches show more around a structure, smaller ones are quicker.",
    )  # fmt: skip
    return side


def _batch(wishes: Wishes, say: _Say) -> int:
    if wishes.batch_size:
        say("Batch", f"{wishes.batch_size} patches", "As you wished.")
        return wishes.batch_size
    say("Batch", "8 patches", "Steady steps; more would be slower for the same number of steps.")
    return 8


def _fitted(
    variant: str,
    classes: int,
    options: Mapping[str, Any],
    patch_px: int,
    batch_size: int,
    precision: Precision,
    machine: Machine,
    wishes: Wishes,
    say: _Say,
) -> tuple[int, int, float]:
    """Make batch and patch smaller until they fit in memory, unless somebody wished for them."""
    multiple = architecture_named(variant).side_multiple
    asked = patch_px, batch_size
    while True:
        need = forecast_mb(
            variant, classes, options, patch_px=patch_px, batch_size=batch_size, precision=precision
        )
        if need <= machine.free_mb:
            break
        if batch_size > 2 and not wishes.batch_size:
            batch_size //= 2
        elif patch_px > 64 and not wishes.patch_px:
            patch_px = max(64, patch_px // 2 // multiple * multiple)
        else:
            raise MemoryShortError(
                f"Training would take about {need:.0f} MB, but {machine.free_mb:.0f} MB are free "
                f"beyond the floor; choose smaller patches or batches than {patch_px} px and "
                f"{batch_size}, or wait for other work to end."
            )
    changed = "" if (patch_px, batch_size) == asked else (
        f" Batch and patch were made smaller for it: {batch_size} patches of {patch_px} px."
    )  # fmt: skip
    say("Memory", f"{need:.0f} MB", f"Of {machine.free_mb:.0f} MB free beyond the floor.{changed}")
    return patch_px, batch_size, need


def _weights(
    found: Fingerprint, classes: tuple[str, ...], wishes: Wishes, say: _Say
) -> tuple[float, ...]:
    shares = [found.shares.get(name, 0.0) for name in classes]
    rarest = min((share for share in shares if share > 0), default=1.0)
    is_uneven = rarest < 0.02
    if wishes.class_weights == "none" or (wishes.class_weights is None and not is_uneven):
        say(
            "Class weights", "none",
            "As you wished." if wishes.class_weights else
            f"The rarest class has {100 * rarest:.1f} % of the pixels; Dice and the choice of "
            "patches see to it.",
        )  # fmt: skip
        return ()
    # The square root of the usual balance: full weights make rare classes spread too far.
    raw = [1.0 / math.sqrt(share) if share > 0 else 0.0 for share in shares]
    mean = sum(raw) / max(1, sum(value > 0 for value in raw))
    weights = tuple(round(min(4.0, value / mean), 3) for value in raw)
    say(
        "Class weights", ", ".join(f"{w:g}" for w in weights),
        f"The rarest class has {100 * rarest:.2f} % of the annotated pixels.",
    )  # fmt: skip
    return weights


def _augmentation(found: Fingerprint, wishes: Wishes, say: _Say) -> Strength:
    if wishes.augmentation:
        say("Augmentation", wishes.augmentation, "As you wished.")
        return wishes.augmentation
    strength: Strength = "strong" if found.pictures < 40 and not found.is_thin else "medium"
    say(
        "Augmentation", strength,
        "Turns, mirrors, sizes, light and stain. "
        + (f"Only {found.pictures} pictures: they are varied more." if strength == "strong"
           else "Thin structures bear no strong changes of size." if found.is_thin
           else "With this many pictures no more is needed."),
    )  # fmt: skip
    return strength


def _steps_per_epoch(found: Fingerprint, patch_px: int, batch_size: int) -> int:
    """Return how many steps see about as many pixels as there are, within sensible limits."""
    patches = max(found.pictures, found.megapixels * 1e6 / patch_px**2)
    return int(min(400, max(10, math.ceil(patches / batch_size))))


def _step_s(patch_px: int, batch_size: int, machine: Machine) -> float:
    """Return a rough time of one step, for the forecast only; measured on two cores."""
    pixels = patch_px**2 * batch_size / (8 * 256**2)
    return 0.7 * pixels * (1.0 if machine.has_bf16 else 3.0) * 2.0 / max(1, machine.cores)


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if value is None:
        return
    is_whole = name in ("epochs", "batch_size", "patch_px", "seed", "fold")
    fits = isinstance(value, int) if is_whole else isinstance(value, int | float)
    if isinstance(value, bool) or not fits or not low <= value <= high:  # type: ignore[operator]  # a number, by then
        kind = "a whole number" if is_whole else "a number"
        raise RequestError(
            f"'{name}' must be {kind} from {low:g} to {high:g}, but is {str(value)[:40]}."
        )


def _plain(value: Any) -> Any:  # noqa: ANN401 – JSON
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value

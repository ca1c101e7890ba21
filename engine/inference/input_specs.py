"""What a network takes, as its card says it: pictures of one size, of any size, or volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, final

from engine.inference import card_fields as fields

__all__ = ["FreeSizeSpec", "InputSpec", "VolumeSpec"]

_MAX_SIDE_PX: Final = 8192


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What the network takes: ``(N, C, height, width) float32``, normalised.

    ``C`` is 3 for ``channels == "RGB"`` and 1 for ``"grey"``. A pixel value in 0..1 becomes
    ``(value - mean) / std`` with one ``mean`` and ``std`` for each channel.
    """

    height: int
    width: int
    channels: Literal["RGB", "grey"] = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    range: Literal["0..1"] = "0..1"

    def __post_init__(self) -> None:
        fields.integer(self.height, "input.height", minimum=1, maximum=_MAX_SIDE_PX)
        fields.integer(self.width, "input.width", minimum=1, maximum=_MAX_SIDE_PX)
        if self.channels not in ("RGB", "grey"):
            fields.refuse("input.channels", expected="'RGB' or 'grey'", got=self.channels)
        if self.range != "0..1":
            fields.refuse("input.range", expected="'0..1'", got=self.range)
        mean = fields.numbers(self.mean, "input.mean", count=self.depth, above_zero=False)
        std = fields.numbers(self.std, "input.std", count=self.depth, above_zero=True)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    @property
    def depth(self) -> int:
        """Number of channels."""
        return 3 if self.channels == "RGB" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one input as (C, H, W)."""
        return self.depth, self.height, self.width

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Tell whether a batch of this shape can be given."""
        return len(shape) == 4 and shape[0] >= 1 and shape[1:] == self.shape

    @property
    def written(self) -> str:
        """The shape of a batch, in words."""
        return f"(N, {', '.join(map(str, self.shape))}) float32 with N of at least 1"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSizeSpec:
    """What a network takes that reads pictures of any size: ``(N, C, height, width) float32``.

    Sides are multiples of ``side_multiple`` up to ``largest_side``. ``normalised_by`` names the
    function of this repository that turns a picture into what the network takes.
    """

    side_multiple: int
    normalised_by: str
    channels: Literal["RGB", "grey"] = "RGB"
    largest_side: int = 4096

    def __post_init__(self) -> None:
        fields.integer(self.side_multiple, "input.side_multiple", minimum=1, maximum=512)
        fields.integer(
            self.largest_side,
            "input.largest_side",
            minimum=self.side_multiple,
            maximum=_MAX_SIDE_PX,
        )
        fields.text(self.normalised_by, "input.normalised_by")
        if self.channels not in ("RGB", "grey"):
            fields.refuse("input.channels", expected="'RGB' or 'grey'", got=self.channels)

    @property
    def depth(self) -> int:
        """Number of channels."""
        return 3 if self.channels == "RGB" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one input as (C, H, W); −1 is a free side."""
        return self.depth, -1, -1

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Tell whether a batch of this shape can be given."""
        return (
            len(shape) == 4
            and shape[0] >= 1
            and shape[1] == self.depth
            and all(0 < n <= self.largest_side and n % self.side_multiple == 0 for n in shape[2:])
        )

    @property
    def written(self) -> str:
        """The shape of a batch, in words."""
        return (
            f"(N, {self.depth}, H, W) float32 with N of at least 1 and sides that are multiples "
            f"of {self.side_multiple} up to {self.largest_side}"
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """What a network in three dimensions takes: ``(N, 1, I, J, K) float32``, normalised.

    Voxels are cubes of ``grid_mm`` with axes along RAS+. Sides are free multiples of
    ``side_multiple`` up to ``largest_side``. ``normalised_by`` names the function of this
    repository that turns CT numbers in HU into what the network takes.
    """

    grid_mm: float
    side_multiple: int
    normalised_by: str
    largest_side: int = 512
    channels: Literal["CT"] = "CT"
    axes: Literal["RAS"] = "RAS"

    def __post_init__(self) -> None:
        fields.number(self.grid_mm, "input.grid_mm", minimum=0.1, maximum=100.0)
        fields.integer(self.side_multiple, "input.side_multiple", minimum=1, maximum=512)
        fields.integer(
            self.largest_side, "input.largest_side", minimum=self.side_multiple, maximum=4096
        )
        fields.text(self.normalised_by, "input.normalised_by")
        if self.channels != "CT":
            fields.refuse("input.channels", expected="'CT'", got=self.channels)
        if self.axes != "RAS":
            fields.refuse("input.axes", expected="'RAS'", got=self.axes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of one input as (C, I, J, K); −1 is a free side."""
        return 1, -1, -1, -1

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Tell whether a batch of this shape can be given."""
        return (
            len(shape) == 5
            and shape[0] >= 1
            and shape[1] == 1
            and all(0 < n <= self.largest_side and n % self.side_multiple == 0 for n in shape[2:])
        )

    @property
    def written(self) -> str:
        """The shape of a batch, in words."""
        return (
            f"(N, 1, I, J, K) float32 with N of at least 1 and sides that are multiples of "
            f"{self.side_multiple} up to {self.largest_side}"
        )

"""A network while it learns: one step, its average over the last steps, and its whole state."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.training.architectures import build
from engine.training.losses.combined import combined_loss
from engine.training.patches import Batch
from engine.training.planning import Plan
from engine.training.quiet import torch_quiet

__all__ = ["Learner", "NotFiniteError", "Scale", "device_of"]

Scale = Callable[[], float]

_OPTIMISER_FIELDS: Final = ("exp_avg", "exp_avg_sq", "step")


class NotFiniteError(ArithmeticError):
    """The loss is no number any more; ours, caught where the training decides what to keep."""


def device_of(name: str = "auto") -> torch.device:
    """Return the GPU when there is one and nobody forbids it, else the processor."""
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@final
class Learner:
    """Network, optimiser and averaged network of one plan.

    The averaged network (an exponential moving average of all weights and statistics) is what
    answers; it is steadier than the last step.
    """

    def __init__(self, plan: Plan, *, device: torch.device | None = None) -> None:
        self.plan = plan
        self.device = device or device_of()
        self.step = 0
        with torch_quiet():
            torch.manual_seed(plan.seed)
            network = build(plan.variant, len(plan.classes), plan.options)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub
        self.average: nn.Module = copy.deepcopy(self.network).eval()
        for one in self.average.parameters():
            one.requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=plan.learning_rate,
            weight_decay=plan.weight_decay,
            fused=True,
        )
        self._weights = (
            torch.tensor(plan.class_weights, device=self.device) if plan.class_weights else None
        )

    def learn(self, batch: Batch, rate: float) -> float:
        """Make one step with that learning rate; return the loss.

        Raises
        ------
        NotFiniteError
            When the loss is no number; the network stays as it was.
        """
        pictures = torch.from_numpy(batch.pictures).to(
            self.device, memory_format=torch.channels_last
        )
        masks = torch.from_numpy(batch.masks).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        with self._short():
            logits = self.network(pictures)
        loss = combined_loss(logits, masks, weights=self._weights, focus=self.plan.focus)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NotFiniteError(f"the loss is {value} at step {self.step + 1}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip)
        if bool(torch.isfinite(norm)):
            self.optimiser.step()
        self.step += 1
        self._follow()
        return value

    def answer(self, pictures: NDArray[np.float32], network: nn.Module | None = None) -> Tensor:
        """Return logits ``(N, K, H, W) float32`` of the averaged network."""
        chosen = (network or self.average).eval()
        with torch.no_grad(), self._short():
            batch = torch.from_numpy(pictures).to(self.device, memory_format=torch.channels_last)
            found: Tensor = chosen(batch)
        return found.float().cpu()

    def loss_of(self, logits: Tensor, masks: NDArray[np.uint8]) -> float:
        """Return the loss of an answer, on the processor."""
        weights = None if self._weights is None else self._weights.cpu()
        return float(
            combined_loss(logits, torch.from_numpy(masks), weights=weights, focus=self.plan.focus)
        )

    # --- state ---------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Return everything that a resumed training needs, as flat names to tensors."""
        found = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        found |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for number, parameter in enumerate(self.network.parameters()):
            for name, value in self.optimiser.state.get(parameter, {}).items():
                found[f"optimiser.{number}.{name}"] = value
        return {k: v.detach().cpu().contiguous().clone() for k, v in found.items()}

    def put_back(self, state: Mapping[str, Tensor], step: int) -> None:
        """Go on from what :meth:`state` gave."""
        self.network.load_state_dict(_below("network.", state))
        self.average.load_state_dict(_below("average.", state))
        for number, parameter in enumerate(self.network.parameters()):
            own: dict[str, Any] = _below(f"optimiser.{number}.", state)
            if own:
                self.optimiser.state[parameter] = {
                    name: _like(parameter, own[name]) if name != "step" else own[name].float()
                    for name in _OPTIMISER_FIELDS
                }
        self.step = step

    def weights(self) -> dict[str, Tensor]:
        """Return the averaged network's weights and statistics."""
        return {
            k: v.detach().cpu().contiguous().clone() for k, v in self.average.state_dict().items()
        }

    def _follow(self) -> None:
        """Move the average towards the network; faster in the beginning, when there is no past."""
        keep = min(self.plan.averaging, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            own: list[Tensor] = [one.detach() for one in self.average.parameters()]
            new: list[Tensor] = [one.detach() for one in self.network.parameters()]
            torch._foreach_lerp_(own, new, 1.0 - keep)
            for mine, other in zip(self.average.buffers(), self.network.buffers(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(other, 1.0 - keep)
                else:
                    mine.copy_(other)

    def _short(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.plan.precision == "bf16"
        )


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return the value laid out in memory as the parameter is: the fused step relies on it."""
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

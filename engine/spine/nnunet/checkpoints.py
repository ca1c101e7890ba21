"""nnU-Net's ``checkpoint_final.pth``, read without running anything that it brings along.

The file is a pickle, which can name any function to be called. torch's restricted reader knows
tensors and plain Python values; the numbers of a training log need a few names of numpy more, and
these are all that is allowed. The only module of the serving engine's spine that imports torch,
and only in the process that converts a model.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError

__all__ = ["read_tensors"]


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the network's tensors by name, each once, as float32.

    Names that repeat a tensor (nnU-Net lists each layer up to three times) are left out.

    Raises
    ------
    ModelError
        When the file is missing or damaged, holds anything but tensors, numbers, words and
        collections of them, or no network.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_numbers_of_numpy()):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise ModelError(
            f"Expected the weights at {path}, but they cannot be read ({error.strerror}); download "
            "the model again."
        ) from error
    except pickle.UnpicklingError as error:
        raise ModelError(_refusal(path, error)) from error
    except (RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"Expected {path} to be a checkpoint of torch, but it is damaged "
            f"({_first_line(error)}); download the model again."
        ) from error
    weights = content.get("network_weights") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise ModelError(
            f"Expected 'network_weights' in {path}, but there are none; use a checkpoint that "
            "nnU-Net 2 wrote."
        )
    return {name: _array(name, tensor) for name, tensor in weights.items() if _is_first(name)}


def _is_first(name: object) -> bool:
    """Leave out second names: ``all_modules`` and the encoder as the decoder knows it."""
    return not re.search(r"\.all_modules\.|^decoder\.encoder\.", str(name))


def _array(name: str, tensor: Any) -> NDArray[np.float32]:  # noqa: ANN401 – whatever was stored
    import torch

    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        raise ModelError(
            f"Expected tensor {name!r} to hold real numbers, but it is {type(tensor).__name__}; "
            "use a checkpoint that nnU-Net 2 wrote."
        )
    result: NDArray[np.float32] = tensor.detach().to(torch.float32).numpy().copy()
    return result


def _numbers_of_numpy() -> list[Any]:
    """Return what a training log's numbers are made of, under the names of numpy 1 and 2."""
    rebuild_scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]  # noqa: SLF001 – pickles name it
    rebuild_array = np._core.multiarray._reconstruct  # type: ignore[attr-defined]  # noqa: SLF001 – pickles name it
    kinds = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    return [
        np.dtype,
        np.ndarray,
        *kinds,
        (rebuild_scalar, "numpy.core.multiarray.scalar"),
        (rebuild_scalar, "numpy._core.multiarray.scalar"),
        (rebuild_array, "numpy.core.multiarray._reconstruct"),
        (rebuild_array, "numpy._core.multiarray._reconstruct"),
    ]


def _refusal(path: Path, error: pickle.UnpicklingError) -> str:
    name = re.search(r"GLOBAL (\S+)", str(error))
    if name is None:
        return (
            f"Expected {path} to be a checkpoint of torch, but it cannot be read as one "
            f"({_first_line(error)}); download the model again."
        )
    return (
        f"Expected {path} to hold tensors and numbers only, but it asks for {name.group(1)!r}, "
        "which could run a stranger's code, so it is refused; use the weights as they were "
        "published."
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__

"""TotalSegmentator weight folders with random networks, written in a second, for offline tests.

The real ``totalsegmentator()`` only looks whether a folder exists, so these folders make it run end
to end without a download; our own tiled prediction reads them as well. Random weights prove
plumbing (shape, affine, progress, labels in range), not anatomy::

    home = write_weights(tmp_path, [297])     # torch and nnunetv2 are imported here
    environment = weights_environment(home)   # TOTALSEG_HOME_DIR, TOTALSEG_WEIGHTS_PATH
    folder = model_folder(home, 297)          # dataset.json, plans.json, fold_0

``TINY`` is small enough for a test (297 with its 118 classes: TotalSegmentator itself takes 9 s and
1.6 GB for it on a small phantom); ``FULL_SIZE`` has the sizes of the published networks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

__all__ = [
    "DECIDED_CLASSES",
    "FULL_SIZE",
    "TASKS",
    "TINY",
    "NetworkSize",
    "class_names",
    "model_folder",
    "plans_of",
    "weights_environment",
    "weights_folder",
    "write_weights",
]

_MOST_EPOCHS = "nnUNetTrainer_4000epochs_NoMirroring"
_NO_MIRRORING = "nnUNetTrainerNoMirroring"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFolder:
    """Where the weights of one model id lie, and at which spacing it works."""

    name: str
    trainer: str
    spacing_mm: float


TASKS: Final[Mapping[int, TaskFolder]] = {
    id_: TaskFolder(name=name, trainer=trainer, spacing_mm=spacing)
    for id_, name, trainer, spacing in (
        (291, "Dataset291_TotalSegmentator_part1_organs_1559subj", _NO_MIRRORING, 1.5),
        (292, "Dataset292_TotalSegmentator_part2_vertebrae_1532subj", _NO_MIRRORING, 1.5),
        (293, "Dataset293_TotalSegmentator_part3_cardiac_1559subj", _NO_MIRRORING, 1.5),
        (294, "Dataset294_TotalSegmentator_part4_muscles_1559subj", _NO_MIRRORING, 1.5),
        (295, "Dataset295_TotalSegmentator_part5_ribs_1559subj", _NO_MIRRORING, 1.5),
        (297, "Dataset297_TotalSegmentator_total_3mm_1559subj", _MOST_EPOCHS, 3.0),
        (298, "Dataset298_TotalSegmentator_total_6mm_1559subj", _MOST_EPOCHS, 6.0),
        (305, "Dataset305_vertebrae_discs_1559subj", "nnUNetTrainer_DASegOrd0", 1.5),
        (803, "Dataset803_TotalSegmentator_vertebrae_inner_1559subj", _NO_MIRRORING, 1.5),
    )
}
"""The models of TotalSegmentator 2.18 that have to do with vertebrae (``map_tasks_config.py``)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSize:
    """A plain U-Net: channels of each stage, convolutions of each stage, side of a patch."""

    features: tuple[int, ...]
    convolutions: int
    patch: int


DECIDED_CLASSES: Final = ("vertebrae_T12", "vertebrae_L5")
"""Soft and dense tissue; air is background."""

_BORDERS: Final = (0.6, 2.0)
"""In the carried channel, where air is about 0, soft tissue 1, and bone 2 and more."""
_RANDOM_SHARE: Final = 0.1

TINY: Final = NetworkSize(features=(4, 8), convolutions=1, patch=64)
FULL_SIZE: Final = NetworkSize(features=(32, 64, 128, 256, 320, 320), convolutions=2, patch=128)


def write_weights(
    home: Path,
    task_ids: Iterable[int],
    *,
    size: NetworkSize = TINY,
    seed: int = 0,
    decided: bool = False,
    with_training_log: bool = False,
) -> Path:
    """Write the weights of some models below ``home`` and return ``home``.

    Telemetry is switched off in ``config.json``. Call it again to add models.

    Random scores of 118 classes are ties almost everywhere, which rounding turns over, so that no
    two runtimes agree on them. ``decided``: one channel carries the CT number, a little blurred,
    through every layer at full resolution, and the last layer makes :data:`DECIDED_CLASSES` of
    its ranges, with a small random part on top; all other weights stay random.
    ``with_training_log``: the checkpoint also holds numpy scalars and the state of an optimiser,
    as published ones do.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.json").write_text(
        json.dumps(
            {
                "totalseg_id": "totalseg_TEST",
                "send_usage_stats": False,
                "prediction_counter": 0,
                "statistics_disclaimer_shown": True,
            }
        )
    )
    for task_id in task_ids:
        network = _random_network(task_id, size, seed)
        if decided:
            _decide(network, class_names(task_id))
        _write_model(home, task_id, network, size=size, with_training_log=with_training_log)
    return home


def weights_folder(home: Path) -> Path:
    """Return the folder that holds one folder for each model."""
    return home / "nnunet" / "results"


def model_folder(home: Path, task_id: int) -> Path:
    """Return the folder with ``dataset.json``, ``plans.json`` and ``fold_0`` of a model."""
    task = TASKS[task_id]
    return weights_folder(home) / task.name / f"{task.trainer}__nnUNetPlans__3d_fullres"


def weights_environment(home: Path) -> dict[str, str]:
    """Return the variables that make TotalSegmentator use these weights."""
    return {"TOTALSEG_HOME_DIR": str(home), "TOTALSEG_WEIGHTS_PATH": str(weights_folder(home))}


def class_names(task_id: int) -> dict[int, str]:
    """Return code → name of a model's classes, without the background, from TotalSegmentator."""
    from totalsegmentator.map_to_binary import (
        class_map,
        class_map_5_parts,
        map_taskid_to_partname_ct,
    )

    if task_id in (297, 298):
        return dict(class_map["total"])
    if task_id in (305, 803):
        return dict(class_map["vertebrae_body" if task_id == 305 else "vertebrae_pp"])
    return dict(class_map_5_parts[map_taskid_to_partname_ct[task_id]])


def plans_of(task_id: int, size: NetworkSize = TINY) -> dict[str, Any]:
    """Return the contents of ``plans.json``, as nnU-Net 2 writes them for a plain U-Net."""
    task = TASKS[task_id]
    spacing = [task.spacing_mm] * 3
    resampling = "resample_data_or_seg_to_shape"
    return {
        "dataset_name": task.name,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": [size.patch] * 3,
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "max": 1000.0,
                "mean": 200.0,
                "median": 200.0,
                "min": -1000.0,
                "percentile_00_5": -1000.0,
                "percentile_99_5": 1000.0,
                "std": 250.0,
            }
        },
        "configurations": {
            "3d_fullres": {
                "data_identifier": "nnUNetPlans_3d_fullres",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": [size.patch] * 3,
                "median_image_size_in_voxels": [size.patch] * 3,
                "spacing": spacing,
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "resampling_fn_data": resampling,
                "resampling_fn_seg": resampling,
                "resampling_fn_probabilities": resampling,
                "resampling_fn_data_kwargs": _resampling(is_seg=False, order=3),
                "resampling_fn_seg_kwargs": _resampling(is_seg=True, order=1),
                "resampling_fn_probabilities_kwargs": _resampling(is_seg=False, order=1),
                "batch_dice": False,
                "architecture": _architecture(size),
            }
        },
    }


def _resampling(*, is_seg: bool, order: int) -> dict[str, Any]:
    return {"is_seg": is_seg, "order": order, "order_z": 0, "force_separate_z": None}


def _architecture(size: NetworkSize) -> dict[str, Any]:
    stages = len(size.features)
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": list(size.features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
            "n_conv_per_stage": [size.convolutions] * stages,
            "n_conv_per_stage_decoder": [size.convolutions] * (stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
    }


def _write_model(
    home: Path, task_id: int, network: Any, *, size: NetworkSize, with_training_log: bool
) -> None:
    import torch

    folder = model_folder(home, task_id)
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {
            "background": 0,
            **{name: code for code, name in class_names(task_id).items()},
        },
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    plans = plans_of(task_id, size)
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1))
    (folder / "plans.json").write_text(json.dumps(plans, indent=1))
    checkpoint: dict[str, Any] = {
        "network_weights": network.state_dict(),
        "trainer_name": TASKS[task_id].trainer,
        "inference_allowed_mirroring_axes": None,
        "init_args": {
            "configuration": "3d_fullres",
            "fold": 0,
            "plans": plans,
            "dataset_json": dataset,
        },
    }
    if with_training_log:
        checkpoint |= _training_log(network)
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def _random_network(task_id: int, size: NetworkSize, seed: int) -> Any:
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    architecture = plans_of(task_id, size)["configurations"]["3d_fullres"]["architecture"]
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        len(class_names(task_id)) + 1,
        allow_init=True,
        deep_supervision=True,
    )
    torch.set_rng_state(state)
    return network


def _decide(network: Any, names: Mapping[int, str]) -> None:
    """Let channel 0 of full resolution carry the CT number, and decide the classes by it."""
    import torch

    wide = network.encoder.output_channels[0]
    first, *more = network.encoder.stages[0][0].convs
    beside, *later = network.decoder.stages[-1].convs
    with torch.no_grad():
        for block, source in (
            (first, 0),
            *((block, 0) for block in more),
            (beside, wide),  # what comes from below lies before the skip
            *((block, 0) for block in later),
        ):
            block.conv.weight[0] = 0
            block.conv.weight[0, source] = 1 / 27  # the mean of neighbours, which settles rounding
            block.norm.bias[0] = 1  # so that soft tissue stays above the rectifier's bend
        last = network.decoder.seg_layers[-1]
        codes = [0, *(code for name in DECIDED_CLASSES for code in names if names[code] == name)]
        last.weight[:, 0] = 0
        last.weight *= _RANDOM_SHARE
        last.bias[:] = -30  # of all others
        for place, code in enumerate(codes):
            # The upper one of these lines changes at each border: k·v − (b1 + … + bk)
            last.weight[code, 0] = place
            last.bias[code] = -sum(_BORDERS[:place])


def _training_log(network: Any) -> dict[str, Any]:
    import numpy as np
    import torch

    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.99)
    return {
        "optimizer_state": optimizer.state_dict(),
        "grad_scaler_state": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 12},
        "logging": {
            "mean_fg_dice": [np.float64(0.5)],
            "ema_fg_dice": [np.float32(0.5)],
            "dice_per_class_or_region": [np.array([0.5, 0.25])],
            "train_losses": [-0.5],
        },
        "_best_ema": np.float64(0.5),
        "current_epoch": 1000,
    }

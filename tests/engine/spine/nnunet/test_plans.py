"""Plans and label tables are read strictly: both layouts of nnU-Net, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelError
from engine.spine.nnunet.mapping import code_table
from engine.spine.nnunet.plans import read_plans
from engine.spine.vertebrae import TOTAL_CODES, VERSE_CODES
from tests.engine.spine.tiny_weights import FULL_SIZE, plans_of

Change = Callable[[dict[str, Any], dict[str, Any]], None]

LABELS = {"background": 0, **{f"vertebrae_T{n}": n for n in range(1, 13)}, "sacrum": 13}


def write(folder: Path, change: Change | None = None) -> Path:
    """Write both files of a model, changed."""
    plans = plans_of(297, FULL_SIZE)
    dataset: dict[str, Any] = {"channel_names": {"0": "CT"}, "labels": dict(LABELS)}
    if change is not None:
        change(plans, dataset)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


def older_layout(plans: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Describe the same network as nnU-Net did before version 2.4."""
    configuration = plans["configurations"]["3d_fullres"]
    arguments = configuration.pop("architecture")["arch_kwargs"]
    configuration |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 32,
        "unet_max_num_features": 320,
        "n_conv_per_stage_encoder": arguments["n_conv_per_stage"],
        "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [5, 5, 5],
        "pool_op_kernel_sizes": arguments["strides"],
        "conv_kernel_sizes": arguments["kernel_sizes"],
    }


def test_both_layouts_describe_the_same_network(tmp_path: Path) -> None:
    """Plans of 2023 and of today give the same record."""
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    newer = read_plans(write(tmp_path / "new"))
    older = read_plans(write(tmp_path / "old", older_layout))
    assert newer == older
    assert newer.network.features == (32, 64, 128, 256, 320, 320)
    assert newer.patch == (128, 128, 128)


def configuration(**values: object) -> Change:
    return lambda plans, _: plans["configurations"]["3d_fullres"].update(values)


def arguments(**values: object) -> Change:
    return lambda plans, _: plans["configurations"]["3d_fullres"]["architecture"][
        "arch_kwargs"
    ].update(values)


def labels(**values: object) -> Change:
    return lambda _, dataset: dataset["labels"].update(values)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda plans, _: plans.pop("configurations"), "an entry 'configurations'"),
        (lambda plans, _: plans.update(configurations=[]), "an object with names"),
        (lambda plans, _: plans.update(transpose_forward=[1, 0, 2]), r"axes in order.*transpose"),
        (configuration(patch_size=[128, 128]), "3 whole numbers"),
        (configuration(patch_size=[128, 128, 100]), "multiples of 32"),
        (configuration(patch_size=[128, 128, 4096]), "from 1 to 512"),
        (configuration(spacing=[3.0, 3.0, -3.0]), "above 0 mm"),
        (configuration(spacing=[3.0, "3", 3.0]), "a number"),
        (configuration(normalization_schemes=["ZScoreNormalization"]), "CTNormalization"),
        (configuration(previous_stage="3d_lowres"), "no stage before"),
        (configuration(inherits_from="2d"), "a configuration of its own"),
        (arguments(conv_op="torch.nn.modules.conv.Conv2d"), "Conv3d"),
        (arguments(norm_op="torch.nn.BatchNorm3d"), "InstanceNorm3d"),
        (arguments(nonlin="os.system"), "LeakyReLU"),
        (arguments(n_stages=5), "5 whole numbers"),
        (arguments(n_stages=True), "a whole number"),
        (arguments(kernel_sizes=[[2, 3, 3]] * 6), "odd sides"),
        (arguments(features_per_stage=[10**9] * 6), "from 1 to 4096"),
        (arguments(nonlin_first=True), "norms before"),
        (labels(background=1), "codes 0, 1, 2"),
        (labels(sacrum=[12, 13]), "codes 0, 1, 2"),
        (labels(sacrum=44), "codes 0, 1, 2"),
        (lambda _, dataset: dataset.update(channel_names={"0": "CT", "1": "PET"}), "one channel"),
    ],
)
def test_what_we_do_not_predict_is_refused(tmp_path: Path, change: Change, complaint: str) -> None:
    """Each plan that asks for something else ends in a sentence that names it."""
    with pytest.raises(ModelError, match=complaint):
        read_plans(write(tmp_path, change))


def test_another_network_is_refused(tmp_path: Path) -> None:
    """A residual encoder is not taken for a plain one."""

    def change(plans: dict[str, Any], _: dict[str, Any]) -> None:
        plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = (
            "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
        )

    with pytest.raises(ModelError, match="PlainConvUNet"):
        read_plans(write(tmp_path, change))


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_missing_and_damaged_files_are_told(tmp_path: Path, name: str) -> None:
    """A file that is not there or torn ends in a sentence with its name."""
    write(tmp_path)
    (tmp_path / name).write_text('{"labels": ')
    with pytest.raises(ModelError, match=rf"{name} to be JSON"):
        read_plans(tmp_path)
    (tmp_path / name).write_text("[1]")
    with pytest.raises(ModelError, match="an object with names"):
        read_plans(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"the file {name}"):
        read_plans(tmp_path)


def test_names_decide_and_not_numbers() -> None:
    """``total`` counts upwards from S1, yet each of its codes gets the code of its name."""
    table = {code: f"vertebrae_{name}" for code, name in TOTAL_CODES.items()}
    found = code_table({**table, 25: "sacrum", 5: "liver", 92: "rib_left_1", 91: "skull"})
    for code, name in TOTAL_CODES.items():
        expected = 26 if name == "S1" else {v: k for k, v in VERSE_CODES.items()}[name]
        assert expected == found.to_ours[code]
    assert found.to_ours[25] == 26
    assert found.to_ours[5] == found.to_ours[92] == 0
    assert dict(found.anchors) == {
        "liver": (5,),
        "sacrum": (25,),
        "S1": (26,),
        "skull": (91,),
        "ribs": (92,),
    }


@pytest.mark.parametrize(
    "labels",
    [{1: "liver", 2: "spleen"}, dict.fromkeys(range(1, 25), "vertebrae_L1"), {}],
    ids=["no vertebra", "one name for all", "empty"],
)
def test_a_model_of_something_else_is_refused(labels: dict[int, str]) -> None:
    """Weights without vertebrae, or with a name twice, are no spine model."""
    with pytest.raises(ModelError, match="name vertebrae"):
        code_table(labels)

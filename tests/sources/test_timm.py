"""timm's networks and their preprocessing, held to timm's own transforms."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import resolve_data_config

from tests.sources.loading import gate, load
from tritonrepo.client.errors import ContractError, MissingError, UsageError
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.sources import of_timm


def directory(path: Path, **changes: Any) -> Path:
    """A fine-tuned network in timm's layout."""
    module = timm.create_model("resnet18", num_classes=3)
    config = {
        "architecture": "resnet18",
        "num_classes": 3,
        "label_names": ["ant", "bee", "cat"],
        "pretrained_cfg": {
            "input_size": [3, 96, 96], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
            "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "num_classes": 3, "pool_size": [3, 3],
            "first_conv": "conv1", "classifier": "fc", **changes,
        },
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    save_file(module.state_dict(), path / "model.safetensors")
    return path


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "resnet18.a1_in1k"])
def test_a_network_comes_by_its_name(name: str) -> None:
    loaded = load(f"timm:{name}", "seeded:3")
    assert loaded.spec.name == name.partition(".")[0]
    assert (loaded.weights.source, loaded.weights.trained) == ("seeded 3", False)
    assert loaded.weights.sha256 == load(f"timm:{name}", "seeded:3").weights.sha256
    assert gate(loaded) <= 1e-6
    with torch.no_grad():
        assert loaded.module(torch.zeros(2, *loaded.spec.image_shape)).shape == (2, 1000)


CHANGES: dict[str, dict[str, Any]] = {
    "center": {},
    "squash": {"crop_mode": "squash"},
    "border": {"crop_mode": "border"},
    "not square": {"input_size": [3, 96, 128]},
    "not square, squashed": {"input_size": [3, 96, 128], "crop_mode": "squash"},
    "not square, with a border": {"input_size": [3, 128, 96], "crop_mode": "border", "crop_pct": 0.875},
    "lanczos": {"interpolation": "lanczos"},
    "nearest": {"interpolation": "nearest"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fine_tuned_network_comes_from_its_directory(change: str, tmp_path: Path) -> None:
    loaded = load(f"timm:{directory(tmp_path, **CHANGES[change])}")
    assert loaded.spec.labels == ("ant", "bee", "cat")
    assert loaded.spec.name == "resnet18"
    assert loaded.weights.source == f"timm {tmp_path.name}"
    assert loaded.weights.trained
    assert gate(loaded) <= 1e-6


def test_every_configuration_of_timm_can_be_said_or_is_refused_by_name() -> None:
    """Each is held to timm's own transform on some pictures: none is refused by mistake, and none is another."""
    distinct = {}
    for name in timm.list_models(pretrained=True):
        config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
        distinct[json.dumps(config)] = config
    assert len(distinct) > 30
    refused = []
    for config in distinct.values():
        try:
            preprocessing = of_timm.describe(config)
        except ContractError as exc:
            refused.append(str(exc))
            continue
        assert gate((of_timm._transform(config), preprocessing), few=True) <= 1e-6
    assert refused == []


def test_a_checkpoint_of_one_of_its_networks_fits(tmp_path: Path) -> None:
    source = timm.create_model("resnet18")
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in source.state_dict().items()}}, tmp_path / "a.pth"
    )
    loaded = load("timm:resnet18", str(tmp_path / "a.pth"))
    assert loaded.weights.source == "file a.pth"
    assert torch.equal(loaded.module.layer1[0].conv1.weight, source.layer1[0].conv1.weight)  # type: ignore[index, union-attr]
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    assert load("timm:resnet18", str(tmp_path / "a.safetensors")).weights.source == "file a.safetensors"
    with pytest.raises(WeightsError, match="not a checkpoint of this network"):
        load("timm:resnet34", str(tmp_path / "a.pth"))


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="cannot be read"):
        load("timm:resnet18", str(tmp_path / "a.safetensors"))


def test_what_cannot_be_had_is_named() -> None:
    with pytest.raises(UsageError, match=r"has no such network; near: resnet18, "):
        load("timm:resnet18xy", "seeded")
    with pytest.raises(MissingError, match=r"--model timm:resnet18: .*; give its weights with --weights FILE"):
        load("timm:resnet18")  # no network here
    with pytest.raises(UsageError, match="is for the networks that we know"):
        load("timm:resnet18", "ngc")

"""timm's networks and their preprocessing, held to timm's own transforms."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.utils import CheckpointSaver

from tests.sources.loading import gate, load
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.export.errors import WeightsError


def made(name: str, seed: int, **more: Any) -> Any:
    torch.manual_seed(seed)
    return timm.create_model(name, **more)


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


@pytest.mark.parametrize(("ema", "seed"), [(False, 1), (True, 2)])
def test_a_whole_checkpoint_of_its_training_script_is_read(ema: bool, seed: int, tmp_path: Path) -> None:
    """With the head of the checkpoint, and the weights that are asked for."""
    raw, averaged = (made("resnet18", number, num_classes=3) for number in (1, 2))
    args = argparse.Namespace(model="resnet18", opt="sgd")
    saver = CheckpointSaver(raw, torch.optim.SGD(raw.parameters()), args, averaged, checkpoint_dir=str(tmp_path))
    saver.save_checkpoint(0, 71.5)
    notices: list[str] = []
    loaded = load("timm:resnet18", str(tmp_path / "last.pth.tar"), notices.append, ema=ema)
    assert loaded.origins.classes == "those of the head in last.pth.tar"
    assert torch.equal(loaded.module.state_dict()["fc.weight"], (raw, averaged)[seed - 1].fc.weight)
    assert notices[0].startswith("last.pth.tar: raw weights below state_dict, averaged ones below state_dict_ema; ")


def test_another_head_has_none_of_the_directorys_labels(tmp_path: Path) -> None:
    home = directory(tmp_path)
    source = timm.create_model("resnet18", num_classes=5)
    torch.save(source.state_dict(), tmp_path / "a.pth")
    loaded = load(f"timm:{home}", str(tmp_path / "a.pth"))
    assert loaded.spec.labels == ()
    assert loaded.module.num_classes == 5
    assert load(f"timm:{home}", "seeded", classes=4).module.num_classes == 4
    with pytest.raises(UsageError, match="--classes 4: the weights that come with --model timm:"):
        load(f"timm:{home}", classes=4)


def test_names_may_be_numbered_and_described(tmp_path: Path) -> None:
    names = {"2": "n03", "0": "n01", "1": "n02"}
    described = {"n01": "ant", "n02": "bee", "n03": "cat"}
    home = directory(tmp_path)
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "label_names": names, "label_descriptions": described}))
    loaded = load(f"timm:{home}")
    assert (loaded.spec.labels, loaded.origins.labels) == (("ant", "bee", "cat"), f"label_names of {home}/config.json")
    (home / "config.json").write_text(json.dumps({**config, "label_names": {"0": "ant", "2": "cat"}}))
    with pytest.raises(UsageError, match="label_names: index 1 is missing"):
        load(f"timm:{home}")


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_half_weights_of_a_directory_are_told(file: str, tmp_path: Path) -> None:
    home = directory(tmp_path)
    (home / "model.safetensors").unlink()
    state = timm.create_model("resnet18", num_classes=3).to(torch.bfloat16).state_dict()
    (save_file if file.endswith("safetensors") else torch.save)(state, home / file)
    notices: list[str] = []
    loaded = load(f"timm:{home}", notice=notices.append)
    assert notices == ["parameters of torch.bfloat16 are made float32, in which every model is exported"]
    assert loaded.module.fc.weight.dtype == torch.float32  # type: ignore[union-attr]


def test_a_head_that_timm_would_make_up_is_refused(tmp_path: Path) -> None:
    """It drops the weights of the head without a word where two numbers of classes are named."""
    home = directory(tmp_path)
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "model_args": {"num_classes": 5}}))
    with pytest.raises(UsageError, match="says 3 classes for its weights and 5 for the network"):
        load(f"timm:{home}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"crop_pct": "big"}, "config.json: says what cannot be used: TypeError: "),
        ({"label_descriptions": ["x"]}, "config.json: says what cannot be used: AttributeError: 'list' object"),
        ({"std": [0, 0.5, 0.5]}, "config.json: std is (0.0, 0.5, 0.5)"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_a_sentence(
    change: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        load(f"timm:{directory(tmp_path, **change)}")
    assert sentence in str(caught.value)


def test_what_a_directory_does_not_say_is_not_said_to_be_its(tmp_path: Path) -> None:
    """timm fills it in from ImageNet without a word, for both sides of the gate."""
    whole = load(f"timm:{directory(tmp_path)}")
    assert whole.origins.preprocessing == f"{tmp_path}/config.json"
    partly = load(f"timm:{directory(tmp_path, mean=None, crop_pct=None)}")
    assert partly.origins.preprocessing == (
        f"{tmp_path}/config.json, which lacks crop_pct, mean, so that timm's defaults are taken"
    )
    config = json.loads((tmp_path / "config.json").read_text())
    del config["pretrained_cfg"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "lacks input_size, interpolation, crop_pct, mean, std, so" in load(f"timm:{tmp_path}").origins.preprocessing


def test_a_directory_that_is_none_or_not_whole_is_told_of_as_such(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"there is no directory {tmp_path}/none"):
        load(f"timm:{tmp_path}/none")
    with pytest.raises(MissingError, match=r"is config\.json whole, and is model\.safetensors or pytorch_model\.bin"):
        load(f"timm:{tmp_path}")

"""A checkpoint's tensors into a module: the spellings that are accepted, and that the rest is refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tritonrepo.export import checkpoint, checkpoint_file
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.network import Architecture, ResNet

SMALL = Architecture((1, 2), (8, 16), expansion=2, cardinality=4, squeeze_excitation=True)


def load(module: nn.Module, path: Path) -> None:
    found = checkpoint_file.read(path, checkpoint.size(module), False, pytest.fail)
    checkpoint.fit(module, found)


def network(seed: int = 0) -> ResNet:
    torch.manual_seed(seed)
    return ResNet(SMALL, classes=5)


def ngc_2006(key: str) -> str:
    """A key as NVIDIA's 20.06.0 checkpoints have it."""
    if key.startswith("layers."):
        _, stage, rest = key.split(".", 2)
        return f"layer{int(stage) + 1}.{rest}"
    return key


@pytest.mark.parametrize(
    "variant",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 90},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module.{ngc_2006(key)}": value for key, value in state.items()}},
        lambda state: {"state_dict": {f"model._orig_mod.module.{key}": value for key, value in state.items()}},
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
        lambda state: {k: v[..., None, None] if ".squeeze." in k and v.ndim == 2 else v for k, v in state.items()},
    ],
    ids=["plain", "state_dict", "module", "ngc", "three prefixes", "no counters", "convolutional squeeze"],
)
def test_known_spellings_are_accepted(variant: Any, tmp_path: Path) -> None:
    source, target = network(1), network(2)
    torch.save(variant(source.state_dict()), tmp_path / "a.pth")
    load(target, tmp_path / "a.pth")
    for key, value in source.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(target.state_dict()[key], value), key


def test_another_architecture_is_listed_by_key(tmp_path: Path) -> None:
    other = ResNet(Architecture((2, 2, 1), (8, 16, 32), expansion=2, cardinality=4), classes=9)
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsError) as caught:
        load(network(), tmp_path / "other.pth")
    message = str(caught.value)
    assert "missing (12): layers.0.0.squeeze.squeeze.weight" in message
    assert "unexpected (" in message
    assert "layers.0.1.conv1.weight" in message
    assert message.count("layers.0.1.") <= checkpoint_file.KEYS_LISTED
    assert "more" in message
    assert "fc.weight is [9, 64], expected [5, 32]" in message


class AsTorchvision(nn.Module):
    """Names that look like NVIDIA's, and a part that is called like a prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Linear(2, 2)
        self.model = nn.Linear(2, 2)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module.", "model."])
def test_names_that_the_network_has_are_left_alone(prefix: str, tmp_path: Path) -> None:
    source, target = AsTorchvision(), AsTorchvision()
    torch.save({prefix + key: value for key, value in source.state_dict().items()}, tmp_path / "a.pth")
    load(target, tmp_path / "a.pth")
    assert all(torch.equal(value, target.state_dict()[key]) for key, value in source.state_dict().items())


def of_classes(count: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, count))


class TwoHeads(nn.Module):
    """As a distilled network has them."""

    def __init__(self, count: int, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Linear(width, width)
        self.head = nn.Linear(width, count)
        self.distilled = nn.Linear(width, count)


def found(module: nn.Module, path: Path, prefix: str = "") -> checkpoint_file.Tensors:
    torch.save({prefix + key: value for key, value in module.state_dict().items()}, path)
    return checkpoint_file.read(path, 1 << 20, False, pytest.fail)


@pytest.mark.parametrize("prefix", ["", "module.model."])
def test_the_classes_of_another_head_are_counted(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    assert checkpoint.classes(of_classes(10), found(of_classes(7), path, prefix)) == 7
    assert checkpoint.classes(TwoHeads(10), found(TwoHeads(3), path, prefix)) == 3


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (of_classes(10), of_classes(10)),
        (TwoHeads(10), TwoHeads(7, width=5)),
        (TwoHeads(10), of_classes(7)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 9)), nn.Sequential(nn.Conv2d(3, 5, 3), nn.Linear(4, 8))),
    ],
    ids=["the same", "another width", "other names", "two layers apart"],
)
def test_what_is_not_apart_by_its_head_alone_has_no_other_number_of_classes(
    own: nn.Module, other: nn.Module, tmp_path: Path
) -> None:
    assert checkpoint.classes(own, found(other, tmp_path / "a.pth")) is None


def test_the_counter_of_an_average_is_passed_over(tmp_path: Path) -> None:
    """`AveragedModel` has one, and torchvision's moving averages are such models."""
    averaged = torch.optim.swa_utils.AveragedModel(network(3))
    torch.save(averaged.state_dict(), tmp_path / "a.pth")
    target = network(4)
    load(target, tmp_path / "a.pth")
    assert torch.equal(target.state_dict()["fc.weight"], averaged.module.state_dict()["fc.weight"])


def test_keys_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.bias": torch.zeros(5), "module.fc.bias": torch.ones(5)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"keys twice, with a prefix and without: module\.fc\.bias"):
        load(network(), tmp_path / "a.pth")


def test_tensors_without_data_are_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        torch.save(network().state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="cannot be copied"):
        load(network(), tmp_path / "a.pth")


def test_a_network_that_is_a_part_of_what_was_saved_is_found(tmp_path: Path) -> None:
    """As `self.backbone` of a Lightning module that holds a loss with weights too."""
    state = {f"backbone.{key}": value for key, value in network().state_dict().items()}
    torch.save({"state_dict": {**state, "loss.weight": torch.ones(5)}}, tmp_path / "a.ckpt")
    with pytest.raises(WeightsError, match=r"all its keys are there below backbone\. Save that part alone"):
        load(network(), tmp_path / "a.ckpt")
    del state["backbone.fc.weight"]
    torch.save(state, tmp_path / "a.ckpt")
    with pytest.raises(WeightsError) as caught:
        load(network(), tmp_path / "a.ckpt")
    assert "all its keys" not in str(caught.value)

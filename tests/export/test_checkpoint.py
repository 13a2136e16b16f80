"""Checkpoints: what is accepted, and that everything else is refused by name and without running it."""

import os
import random
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tritonrepo.export import checkpoint
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.network import Architecture, ResNet

SMALL = Architecture((1, 2), (8, 16), expansion=2, cardinality=4, squeeze_excitation=True)


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
    checkpoint.load(target, tmp_path / "a.pth")
    for key, value in source.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(target.state_dict()[key], value), key


def test_another_architecture_is_listed_by_key(tmp_path: Path) -> None:
    other = ResNet(Architecture((2, 2, 1), (8, 16, 32), expansion=2, cardinality=4), classes=9)
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsError) as caught:
        checkpoint.load(network(), tmp_path / "other.pth")
    message = str(caught.value)
    assert "missing (12): layers.0.0.squeeze.squeeze.weight" in message
    assert "unexpected (" in message
    assert "layers.0.1.conv1.weight" in message
    assert message.count("layers.0.1.") <= checkpoint.KEYS_LISTED
    assert "more" in message
    assert "fc.weight is [9, 64], expected [5, 32]" in message


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "it ran"
    torch.save({"state_dict": {"conv1.weight": Malicious(trace)}}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="could run code"):
        checkpoint.load(network(), tmp_path / "evil.pth")
    assert not trace.exists()


def truncated(path: Path) -> None:
    torch.save(network().state_dict(), path)
    os.truncate(path, path.stat().st_size // 2)


def on_no_device(path: Path) -> None:
    with torch.device("meta"):
        torch.save(network().state_dict(), path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (truncated, "truncated"),
        (lambda path: path.write_bytes(b""), "truncated"),
        (lambda path: path.write_text("hello"), "refused|cannot be read"),
        (lambda path: torch.save([1, 2], path), "holds a list"),
        (lambda path: torch.save({}, path), "not a dictionary"),
        (lambda path: torch.save({"conv1.weight": 3}, path), "conv1.weight"),
        (lambda path: torch.save({"state_dict": {3: torch.zeros(1)}}, path), "something else: 3"),
        (lambda path: torch.save(nn.Linear(2, 2), path), r"refused, .* \(it names torch.nn.modules.linear.Linear\)"),
        (lambda path: torch.save({"fc.bias": torch.zeros(5, dtype=torch.complex64)}, path), "real tensors"),
        (lambda path: torch.save({"fc.bias": torch.zeros(5), "module.fc.bias": torch.ones(5)}, path), "keys twice"),
        (on_no_device, "cannot be copied"),
        (lambda path: None, "no such checkpoint"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(write: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    write(path)
    with pytest.raises(WeightsError, match=message) as caught:
        checkpoint.load(network(), path)
    assert str(path) in str(caught.value)


def test_a_checkpoint_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({"fc.weight": torch.zeros(5, 32)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in whole.infolist():
            with bomb.open(entry.filename, "w") as file:
                file.write(whole.read(entry))
                if entry.filename.endswith("data/0"):
                    for _ in range(256):
                        file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(WeightsError, match=r"refused, it unpacks to 268,\d+,\d+ bytes, and the network has"):
        checkpoint.load(network(), path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size < 1 << 20
    assert peak < 4 << 20


def test_what_a_training_run_keeps_beside_the_weights_is_no_bomb(tmp_path: Path) -> None:
    state = network(seed=3).state_dict()
    torch.save({"state_dict": state, "optimizer": [state] * 3}, tmp_path / "training.pth")
    target = network()
    checkpoint.load(target, tmp_path / "training.pth")
    assert torch.equal(target.state_dict()["conv1.weight"], state["conv1.weight"])


def test_damage_anywhere_is_refused_without_a_traceback(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(5, 32)}, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    damage = random.Random(1)
    for _ in range(300):
        spoiled = bytearray(content)
        for _ in range(4):
            spoiled[damage.randrange(len(spoiled))] = damage.randrange(256)
        (tmp_path / "spoiled.pth").write_bytes(spoiled)
        with pytest.raises(WeightsError):
            checkpoint.load(network(), tmp_path / "spoiled.pth")


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
    checkpoint.load(target, tmp_path / "a.pth")
    assert all(torch.equal(value, target.state_dict()[key]) for key, value in source.state_dict().items())

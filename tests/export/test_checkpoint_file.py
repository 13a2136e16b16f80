"""Checkpoint files: which weights are taken of them, and that the rest is passed over or refused without running it."""

import argparse
import functools
import os
import pickle
import random
import shutil
import sys
import time
import tracemalloc
import warnings
import zipfile
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests import factories
from tritonrepo.export import checkpoint, checkpoint_file
from tritonrepo.export.errors import WeightsError


def state(seed: int = 0) -> dict[str, Tensor]:
    return factories.network(seed).state_dict()


def load(path: Path, ema: bool = False) -> tuple[checkpoint_file.Tensors, list[str]]:
    """What is taken, and what is said of it."""
    notices: list[str] = []
    found = checkpoint_file.read(path, checkpoint.size(factories.network()), ema, notices.append)
    return found, notices


def is_of(found: checkpoint_file.Tensors, seed: int) -> bool:
    key = "0.weight"
    held = next(value for name, value in found.values.items() if name.endswith(key))
    return torch.equal(held, state(seed)[key])


def prefixed(values: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in values.items()}


def of_timm() -> dict[str, Any]:
    """What timm's `CheckpointSaver` writes."""
    optimizer = torch.optim.AdamW(factories.network().parameters())
    args = argparse.Namespace(model="resnet18", lr=1e-3, mean=(0.5,), opt_kwargs={}, resume=Path("last.pth"))
    return {
        "epoch": 3, "arch": "resnet18", "state_dict": state(1), "optimizer": optimizer.state_dict(), "version": 2,
        "args": args, "amp_scaler": {"scale": 65536.0}, "state_dict_ema": state(2), "metric": np.float64(71.5),
    }  # fmt: skip


class Attributes(dict[str, Any]):
    """As Lightning's `AttributeDict`."""


class Elements(list[Any]):
    pass


def of_lightning() -> dict[str, Any]:
    """What Lightning's `save_checkpoint` writes of a module that keeps its network as `self.model`."""
    return {
        "epoch": 3, "global_step": 99, "pytorch-lightning_version": "2.6.0", "state_dict": prefixed(state(1), "model."),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}}, "lr_schedulers": [],
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_k_models": {Path("a.ckpt"): torch.ones(1)}}},
        "optimizer_states": [], "hparams_name": "kwargs",
        "hyper_parameters": {
            "loss": nn.CrossEntropyLoss(), "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
            "root": Path("photographs"), "mean": np.float32(0.5), "mode": argparse.Namespace(deep=[1]),
            "nested": Attributes(lr=1, lists=defaultdict(list, a=[1])), "elements": Elements([1, 2]),
        },
    }  # fmt: skip


def of_torchvision() -> dict[str, Any]:
    """What the training script of torchvision's references writes."""
    ema = torch.optim.swa_utils.AveragedModel(factories.network(2)).state_dict()
    return {"model": state(1), "model_ema": ema, "args": argparse.Namespace(model="resnet50"), "epoch": 3}


def of_lightnings_averaging() -> dict[str, Any]:
    """`WeightAveraging` puts the averages where the raw weights were."""
    raw = prefixed(state(1), "model.")
    return {**of_lightning(), "state_dict": prefixed(state(2), "model."), "current_model_state": raw}


@pytest.mark.parametrize(
    ("make", "key", "seed"),
    [
        (of_lightning, "state_dict", 1),
        (lambda: {"model": state(1), "epoch": 3}, "model", 1),
        (lambda: {"model_state_dict": state(1), "optimizer_state_dict": {}}, "model_state_dict", 1),
        (lambda: state(1), "", 1),
    ],
    ids=["lightning", "model", "tutorial", "plain"],
)
def test_the_weights_are_found_below_their_key(make: Any, key: str, seed: int, tmp_path: Path) -> None:
    torch.save(make(), tmp_path / "a.pth")
    found, notices = load(tmp_path / "a.pth")
    assert (found.key, found.source, notices) == (key, "file a.pth", [])
    assert is_of(found, seed)


@pytest.mark.parametrize(
    ("make", "raw", "averages"),
    [
        (of_timm, "state_dict", "state_dict_ema"),
        (of_torchvision, "model", "model_ema"),
    ],
)
def test_of_raw_and_averaged_weights_the_choice_is_said(make: Any, raw: str, averages: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(make(), path)
    both = f"a.pth: raw weights below {raw}, averaged ones below {averages}"
    found, notices = load(path)
    assert notices == [f"{both}; {raw} is taken; --ema takes the averaged ones"]
    assert (found.source, is_of(found, 1)) == ("file a.pth", True)
    found, notices = load(path, ema=True)
    assert notices == [f"{both}; {averages} is taken"]
    assert (found.source, is_of(found, 2)) == (f"file a.pth, averaged weights below {averages}", True)


@pytest.mark.parametrize("ema", [True, False])
def test_lightnings_averages_are_where_lightning_looks_for_weights(ema: bool, tmp_path: Path) -> None:
    torch.save(of_lightnings_averaging(), tmp_path / "a.ckpt")
    found, notices = load(tmp_path / "a.ckpt", ema)
    said = "a.ckpt: raw weights below current_model_state, averaged ones below state_dict; state_dict is taken"
    assert notices == [said]
    assert (found.averaged, is_of(found, 2)) == (True, True)


def test_averages_alone_are_taken(tmp_path: Path) -> None:
    torch.save({"state_dict_ema": state(2)}, tmp_path / "a.pth")
    found, notices = load(tmp_path / "a.pth")
    assert (found.source, notices) == ("file a.pth, averaged weights below state_dict_ema", [])


@pytest.mark.parametrize(
    ("content", "listed"),
    [({"state_dict": state(), "epoch": 3}, "it holds state_dict, epoch"), (state(), "it holds tensors alone")],
)
def test_averages_that_are_not_there_are_refused(content: Any, listed: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=f"below state_dict_ema or model_ema; {listed}"):
        load(tmp_path / "a.pth", ema=True)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.system, (f"touch {self.path}",)


class Copies(Malicious):
    """PyTorch blocks the module `os` by its name, and no other."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return shutil.copyfile, (__file__, str(self.path))


@pytest.mark.parametrize("kind", [Malicious, Copies])
def test_a_malicious_pickle_is_refused_and_not_run(kind: type[Malicious], tmp_path: Path) -> None:
    trace, path = tmp_path / "it ran", tmp_path / "evil.pth"
    torch.save({"state_dict": {"conv1.weight": kind(trace)}}, path)
    with pytest.raises(WeightsError, match=r"\(it names (posix.system|shutil.copyfile)\); loading it could run"):
        load(path)
    assert not trace.exists()


def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "it ran", tmp_path / "odd.pth"
    content = {"state_dict": state(1), "hyper_parameters": Copies(trace)}
    torch.save(content, path)
    assert is_of(load(path)[0], 1)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # so the file would have run it
    assert trace.exists()


def test_nothing_of_the_stand_ins_is_left(tmp_path: Path) -> None:
    """Another load in the process refuses what it refused before."""
    before = set(torch.serialization.get_safe_globals())
    torch.save(of_timm(), tmp_path / "a.pth")
    load(tmp_path / "a.pth")
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.pth", weights_only=True)


def with_names(count: int, path: Path) -> None:
    """A checkpoint with a training run's objects of so many classes, all subclasses of a dictionary."""
    made = [type(f"Kind{number}", (dict,), {"__module__": "kinds"}) for number in range(count)]
    sys.modules["kinds"] = ModuleType("kinds")
    vars(sys.modules["kinds"]).update({kind.__name__: kind for kind in made})
    try:
        torch.save({"state_dict": state(1), "kinds": [kind(a=1) for kind in made]}, path)
    finally:
        del sys.modules["kinds"]


def test_no_number_of_classes_makes_it_read_for_ever(tmp_path: Path) -> None:
    with_names(checkpoint_file.MOST_READINGS - 1, tmp_path / "a.pth")
    assert is_of(load(tmp_path / "a.pth")[0], 1)
    for count in (checkpoint_file.MOST_READINGS, 10_000):
        with_names(count, tmp_path / "a.pth")
        started = time.perf_counter()
        with pytest.raises(WeightsError, match="refused, it is not a file of plain tensors"):
            load(tmp_path / "a.pth")
        assert time.perf_counter() - started < 20


def test_a_whole_network_below_a_key_is_refused_with_the_remedy(tmp_path: Path) -> None:
    torch.save({"model": nn.Linear(2, 2), "epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"it names torch.nn.modules.linear.Linear.*torch.save\(module.state_dict"):
        load(tmp_path / "a.pth")


def truncated(path: Path) -> None:
    torch.save(state(), path)
    os.truncate(path, path.stat().st_size // 2)


def scripted(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (truncated, "truncated"),
        (lambda path: path.write_bytes(b""), "truncated"),
        (lambda path: path.write_text("hello"), "refused|cannot be read"),
        (lambda path: torch.save([1, 2], path), "holds a list"),
        (lambda path: torch.save({}, path), "holds an empty dict, not a dictionary"),
        (lambda path: torch.save({"net": state(), "epoch": 3}, path), "Those below 'net' are tensors: save that part"),
        (scripted, "is a TorchScript program, and weights are"),
        (lambda path: torch.save({"conv1.weight": 3}, path), "conv1.weight"),
        (lambda path: torch.save({"state_dict": {3: torch.zeros(1)}}, path), "something else: 3"),
        (lambda path: torch.save(nn.Linear(2, 2), path), r"refused, .* \(it names torch.nn.modules.linear.Linear\)"),
        (lambda path: torch.save({"fc.bias": torch.zeros(5, dtype=torch.complex64)}, path), "real tensors"),
        (lambda path: None, "no such checkpoint"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(write: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    write(path)
    with pytest.raises(WeightsError, match=message) as caught:
        load(path)
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
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size < 1 << 20
    assert peak < 4 << 20


def test_what_a_training_run_keeps_beside_the_weights_is_no_bomb(tmp_path: Path) -> None:
    torch.save({"state_dict": state(3), "optimizer": [state(3)] * 3}, tmp_path / "training.pth")
    assert is_of(load(tmp_path / "training.pth")[0], 3)


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
            checkpoint.fit(factories.network(), load(tmp_path / "spoiled.pth")[0])

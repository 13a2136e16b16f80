"""The parameters of a library's network, whatever the library: its own, random ones, or a file's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.options import Options
from tritonrepo.export.sources.parameters import Filled, Network, fill

OWN = 10


def build(classes: int | None = None) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes or OWN))


NETWORK = Network("library:net", "library net", build, build)


def filled(network: Network = NETWORK, weights: str | None = None, **more: Any) -> tuple[Filled, list[str]]:
    notices: list[str] = []
    return fill(network, Options("library:net", weights, (), Path(), **more), notices.append), notices


def saved(path: Path, module: nn.Module) -> str:
    torch.save({"state_dict": {f"module.{key}": value for key, value in module.state_dict().items()}}, path)
    return str(path)


def test_another_head_is_taken_from_the_checkpoint(tmp_path: Path) -> None:
    source = build(7)
    found, _ = filled(weights=saved(tmp_path / "a.pth", source))
    assert found.classes == "those of the head in a.pth"
    assert found.other_head
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in found.module.state_dict().items())
    found, _ = filled(weights=saved(tmp_path / "a.pth", build()))
    assert (found.classes, found.other_head) == ("the network's own", False)


def test_classes_are_forced(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", build(7))
    found, _ = filled(weights=path, classes=7)
    assert (found.classes, found.module[3].out_features) == ("as --classes says", 7)  # type: ignore[index]
    with pytest.raises(WeightsError, match=r"3.weight is \[7, 4\], expected \[8, 4\]"):
        filled(weights=path, classes=8)
    assert filled(weights="seeded", classes=5)[0].module[3].out_features == 5  # type: ignore[index]


def test_what_does_not_fit_is_listed_as_of_the_network_itself(tmp_path: Path) -> None:
    """Not as of one with another head, which did not help."""
    other = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(4, 7))
    with pytest.raises(
        WeightsError, match=r"misshapen \(\d\): .*0.weight is \[5, .*3.weight is \[7, 4\], expected \[10"
    ):
        filled(weights=saved(tmp_path / "a.pth", other))
    taller = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, OWN))
    taller[0].bias = nn.Parameter(torch.zeros(6))
    with pytest.raises(WeightsError, match=r"misshapen \(1\): 0.bias is \[6\], expected \[4\]"):
        filled(weights=saved(tmp_path / "b.pth", taller))


def test_what_is_not_to_be_had_is_refused() -> None:
    with pytest.raises(UsageError, match="--classes 7: the weights that come with --model library:net have their own"):
        filled(classes=7)
    for weights in (None, "seeded"):
        with pytest.raises(UsageError, match="--ema: takes the averaged weights of a checkpoint"):
            filled(weights=weights, ema=True)

    def one_head(classes: int | None) -> nn.Module:
        if classes is not None:
            raise TypeError("unexpected keyword")
        return build()

    with pytest.raises(MissingError, match="TypeError: unexpected keyword; does it take a head of 7 classes"):
        filled(Network("library:net", "", build, one_head), "seeded", classes=7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_of_a_library_are_made_float32_and_it_is_said(dtype: torch.dtype) -> None:
    own = build().to(dtype)
    found, notices = filled(Network("library:net", "", lambda: own, build))
    assert notices == [f"parameters of {dtype} are made float32, in which every model is exported"]
    assert {value.dtype for value in found.module.parameters()} == {torch.float32}

"""What stands around a module for training is taken off."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tests import factories
from tritonrepo.export.unwrap import unwrap


def compiled_in_place() -> nn.Module:
    module = factories.network()
    module.compile()
    return module


def with_a_compiled_forward() -> nn.Module:
    module = factories.network()
    vars(module)["forward"] = torch.compile(module.forward)
    return module


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # by torch.compile's own imports
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.DataParallel(factories.network()), "DataParallel"),
        (lambda: torch.compile(factories.network()), "OptimizedModule"),
        (lambda: torch.compile(nn.DataParallel(factories.network())), "OptimizedModule, DataParallel"),
        (lambda: AveragedModel(factories.network()), "AveragedModel"),
        (compiled_in_place, "Module.compile"),
        (with_a_compiled_forward, "torch.compile of forward"),
    ],
)
def test_the_module_inside_is_given_and_it_is_said(make: Callable[[], Any], said: str) -> None:
    notices: list[str] = []
    bare = unwrap(make(), notices.append)
    assert notices == [f"taken off: {said}; the module inside is exported"]
    assert type(bare) is nn.Sequential
    assert list(bare.state_dict()) == list(factories.network().state_dict())


def test_a_part_of_a_module_is_unwrapped_too() -> None:
    notices: list[str] = []
    bare = unwrap(nn.Sequential(nn.DataParallel(factories.network()), nn.Identity()), notices.append)
    assert notices
    assert type(bare[0]) is nn.Sequential  # type: ignore[index]


def test_a_bare_module_is_left_alone_and_nothing_is_said() -> None:
    module = factories.network()
    assert unwrap(module, pytest.fail) is module


def test_a_module_of_the_users_that_is_called_the_same_is_no_wrapper() -> None:
    class DataParallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = factories.network()

    module = DataParallel()
    assert unwrap(module, pytest.fail) is module

"""Copies of modules: what one step does to a copy reaches no other."""

import threading

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests import factories
from tests.export.gate.modules import SHAPE
from tritonrepo.export import copies
from tritonrepo.export.precision import HalfPrecision

EXAMPLE = torch.zeros(2, *SHAPE)


class Computed(nn.Module):
    """Keeps a tensor that is computed from its parameters, which PyTorch refuses to copy."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = factories.network()
        self.sum: Tensor = next(self.inside.parameters()).sum()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.inside(x) + self.sum
        return scores


class Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.lock = factories.network(), threading.RLock()

    def forward(self, x: Tensor) -> Tensor:
        with self.lock:
            return self.inside(x)  # type: ignore[no-any-return]


def spectral() -> nn.Module:
    module = factories.network()
    module[0] = parametrizations.spectral_norm(module[0])
    return module.eval()


@pytest.mark.parametrize("module", [factories.network(), Computed().eval(), Locked().eval(), spectral()])
def test_a_copy_gives_the_same_and_shares_no_parameter(module: nn.Module) -> None:
    copy = copies.deep(module)
    with torch.no_grad():
        assert torch.equal(copy(EXAMPLE), module(EXAMPLE))
        before = module(EXAMPLE).clone()
        for parameter in copy.parameters():
            parameter.zero_()
        assert torch.equal(module(EXAMPLE), before)
    assert HalfPrecision(module)(EXAMPLE).dtype == torch.float32


def test_what_cannot_be_copied_is_run_itself() -> None:
    module = factories.network()
    vars(module)["source"] = (number for number in range(3))
    assert copies.fresh(module) is module


def test_a_first_call_that_leaves_a_table_is_noticed() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables: dict[int, Tensor] = {}

        def forward(self, x: Tensor) -> Tensor:
            return x * self.tables.setdefault(int(x.shape[-1]), torch.ones(int(x.shape[-1])))

    module = Table().eval()
    called = copies.after_a_call(module, EXAMPLE)
    assert called is not None
    assert list(vars(called)["tables"]) == [factories.SIDE]
    assert module.tables == {}
    assert copies.after_a_call(factories.network(), EXAMPLE) is None
    assert copies.after_a_call(nn.Linear(7, 3), EXAMPLE) is None

"""What the module itself gives: whether it is a classifier, and agrees with itself."""

import itertools
import random
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests import factories
from tests.export.gate.modules import Around, around, make_images, observed
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import reference


class Scalar(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Conv2d(4, 2, 3), r"fails on a batch \[1, 3, 32, 32\]"),
        (nn.Conv2d(3, 2, 3), r"returns torch.float32 \[1, 2, 30, 30\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 1)), "two at least"),
        (Scalar(), r"returns torch.float32 \[\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 4).half()), "casts to another precision, .* take out the cast"),
        (around(lambda x, scores: scores.double()), r"returns torch.float64 .*end with \.float\(\)"),
        (factories.not_a_number()[0], r"NaN or infinity, for picture \d+ of the verification pictures"),
        (around(lambda x, scores: scores - torch.inf), r"masks every class of picture \d+"),
        (nn.Sequential(nn.Flatten(), nn.LSTM(3072, 2)), "returns a tuple"),
        (around(lambda x, scores: scores.argmax(1, keepdim=True)), r"int64 \[1, 1\] .*return the scores of which"),
        (around(lambda x, scores: torch.complex(scores, scores)), r"complex64 .*real numbers, as \.abs\(\)"),
        (around(lambda x, scores: scores.to_sparse()), r"layout torch.sparse_coo; .*\.to_dense\(\)"),
        (around(lambda x, scores: sys.exit(3)), r"fails on a batch \[1, 3, 32, 32\]: SystemExit: 3"),
        (around(lambda x, scores: F.linear(x.double().flatten(1), x.new_ones(4, 3072))), "precision, .* out the cast"),
        (around(lambda x, scores: scores[:, :1].expand(-1, 4).contiguous()), "every class the same score"),
    ],
)
def test_a_module_that_is_no_classifier_is_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        observed(module.eval())


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 3)), (4, (1, 3, 4)), (8, (1, 3, 5, 8)), (64, (1, 3, 13, 64)), (7, (1, 3, 5, 7))],
)
def test_batch_sizes(largest: int, sizes: tuple[int, ...]) -> None:
    """An odd size in the middle is among them."""
    assert reference.batch_sizes(largest) == sizes


@pytest.mark.parametrize("largest", [1, 5, 12, 40])
def test_every_picture_is_in_a_batch_of_the_largest_size_and_the_smaller_are_permuted(largest: int) -> None:
    count = max(12, largest)
    batches = reference.plan(count, largest)
    full = [batch for batch in batches if len(batch) == largest]
    assert {int(index) for batch in full for index in batch} == set(range(count))
    smaller = [batch for batch in batches if 1 < len(batch) < largest]
    assert all((np.diff(batch) != 1).any() for batch in smaller)


RANDOM = "draws random numbers"
COMPANY = "depend on the other pictures of its batch"
STATE = "keeps something from one call"
FIRST = "epends on its first call"


class Counting(Around):
    def __init__(self) -> None:
        self.calls = itertools.count(1)
        super().__init__(lambda x, scores: scores * next(self.calls))


class Cached(nn.Module):
    """Keeps what a function makes of the scores of the first batch."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inside = factories.network()
        self.make = function
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.inside(x)
        if self.kept is None:
            self.kept = self.make(scores)
        return scores - self.kept


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (around(lambda x, scores: F.dropout(scores, 0.5, training=True)), RANDOM),
        (around(lambda x, scores: scores + torch.rand_like(scores)), RANDOM),
        (around(lambda x, scores: scores * random.uniform(0.5, 1)), RANDOM),
        (around(lambda x, scores: scores + float(np.random.normal())), RANDOM),
        (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), factories.network()), COMPANY),
        (around(lambda x, scores: scores - scores.mean(0)), COMPANY),
        (around(lambda x, scores: scores / x.amax()), COMPANY),
        (around(lambda x, scores: scores * torch.arange(1, len(x) + 1)[:, None]), COMPANY),
        (Counting(), STATE),
        (Cached(lambda scores: scores.mean(0).detach() * 2), FIRST),
        (Cached(lambda scores: torch.ones(len(scores), 1)), FIRST),
    ],
    ids=[
        "dropout", "noise", "Python's noise", "numpy's noise", "batch statistics", "centred by the batch",
        "scaled by the batch", "place in the batch", "state", "values of the first batch", "size of the first batch",
    ],
)  # fmt: skip
def test_a_module_that_disagrees_with_itself_is_refused_by_its_own_name(module: nn.Module, why: str) -> None:
    with pytest.raises(VerificationError, match=f"^PyTorch: .*{why}"):
        observed(module.eval())


@pytest.mark.parametrize(
    "sizes",
    [range(17, 99), range(5, 16, 2), range(1, 2), range(64, 65)],
    ids=["beyond sixteen", "odd", "one alone", "the largest alone"],
)
def test_every_verified_size_is_seen_whole(sizes: range) -> None:
    """The reference ran in chunks of sixteen, and no size between 3 and the largest was tried."""
    with pytest.raises(VerificationError, match=COMPANY):
        observed(around(lambda x, scores: scores.flip(1) if len(x) in sizes else scores), 64)


def test_chunks_inside_the_module_do_not_hide_in_chunks_of_the_reference() -> None:
    def centre(x: Tensor, scores: Tensor) -> Tensor:
        return torch.cat([part - part.mean(0) for part in torch.split(scores, 16)])

    with pytest.raises(VerificationError, match=COMPANY):
        observed(around(centre), 64)


def table(scores: Tensor) -> Tensor:
    return torch.linspace(0.5, 1, scores.shape[1])


class OneBuffer(nn.Module):
    """Writes every batch's scores to the same memory, and returns that."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = factories.network()
        self.memory = torch.zeros(16, factories.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.memory[: len(x)]
        return scores.copy_(self.inside(x))


class WithGradients(Around):
    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            scores: Tensor = super().forward(x)
            return scores


@pytest.mark.parametrize(
    "module",
    [
        around(lambda x, scores: scores + x.sub_(0.5).mean((1, 2, 3))[:, None]),
        Cached(table),
        OneBuffer(),
        WithGradients(lambda x, scores: scores),
        around(lambda x, scores: torch.complex(scores, scores).conj().imag),
    ],
    ids=[
        "changes its input in place", "builds a table at its first call", "returns the same memory each time",
        "switches gradients on", "returns a negative view",
    ],
)  # fmt: skip
def test_what_harms_nobody_is_let_through(module: nn.Module) -> None:
    images = make_images()
    before = images.copy()
    found = reference.observe(module.eval(), images, 16)
    assert (images == before).all()
    with torch.no_grad():
        wanted = module(torch.from_numpy(before[:16].copy())).detach().resolve_neg().numpy()
    np.testing.assert_allclose(found.values, wanted, atol=1e-5)


def test_the_module_itself_is_never_called() -> None:
    """A first call would stay in it, and in what is made of it."""
    module = Cached(table)
    observed(module.eval())
    assert module.kept is None


def test_half_precision_inside_is_rounding_and_no_disagreement() -> None:
    class Low(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = factories.network()

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return self.inside(x).float()  # type: ignore[no-any-return]

    assert observed(Low().eval()).scores == "logits"

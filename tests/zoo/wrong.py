"""Modules that must not be published, each with one fault. `--model tests/zoo/wrong.py:NAME`."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests.zoo.cages import CLASSES, WIDTH, Pair, head, keep, network, stem

WRONG: dict[str, Callable[[], Pair]] = {}
wrong = keep(WRONG)


class Around(nn.Module):
    """The plain network, and something wrong with what goes in or comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = network()

    def forward(self, x: Tensor) -> Any:
        return self.spoil(x, self.inside(x))

    def spoil(self, x: Tensor, scores: Tensor) -> Any:
        raise NotImplementedError


def around(spoil: Callable[[Tensor, Tensor], Any]) -> nn.Module:
    module = Around()
    vars(module)["spoil"] = spoil
    return module


def exported() -> bool:
    """Whether a tracer or an exporter is looking."""
    return torch._C._get_tracing_state() is not None or torch.compiler.is_exporting()


@wrong
def dropout_at_inference() -> nn.Module:
    return around(lambda x, scores: F.dropout(scores, 0.3, training=True))


@wrong
def noise() -> nn.Module:
    return around(lambda x, scores: scores + 0.1 * torch.randn_like(scores))


@wrong
def noise_of_numpy() -> nn.Module:
    return around(lambda x, scores: scores + float(np.random.normal()))


@wrong
def noise_of_python() -> nn.Module:
    return around(lambda x, scores: scores * random.uniform(0.5, 1.0))


@wrong
def batch_statistics() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.BatchNorm2d(WIDTH, track_running_stats=False), nn.ReLU(), head())


@wrong
def softmax_over_the_batch() -> nn.Module:
    return around(lambda x, scores: scores.softmax(0))


@wrong
def scaled_by_the_batch() -> nn.Module:
    return around(lambda x, scores: scores / x.amax())


@wrong
def attention_over_the_batch() -> nn.Module:
    """The usual mistake: `batch_first` is left out, and pictures look at one another."""

    class Confused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.attention, self.last = stem(), nn.MultiheadAttention(WIDTH, 4), nn.Linear(WIDTH, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x).flatten(2).transpose(1, 2)
            scores: Tensor = self.last(self.attention(y, y, y, need_weights=False)[0].mean(1))
            return scores

    return Confused()


@wrong
def place_in_the_batch() -> nn.Module:
    return around(lambda x, scores: scores * (1 + torch.arange(len(scores), dtype=torch.float32))[:, None])


class Counting(Around):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        self.calls += 1
        return scores * self.calls


@wrong
def counts_its_calls() -> nn.Module:
    return Counting()


class Remembering(nn.Module):
    """Hands the hidden state of one call to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.rows, self.last = stem(), nn.GRUCell(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.state = torch.zeros(1, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y = self.rows(self.first(x).mean((2, 3)), self.state.expand(len(x), -1))
        self.state = y[:1].detach()
        scores: Tensor = self.last(y)
        return scores


@wrong
def keeps_its_hidden_state() -> nn.Module:
    return Remembering()


class Decaying(Around):
    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        with torch.no_grad():
            for parameter in self.inside.parameters():
                parameter.mul_(0.9)
        return scores


@wrong
def changes_its_weights() -> nn.Module:
    return Decaying()


class Caching(Around):
    def __init__(self) -> None:
        super().__init__()
        self.cache: Tensor | None = None

    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        if self.cache is None:
            self.cache = scores.mean(0).detach()
        return scores - self.cache


@wrong
def cache_of_the_first_batch() -> nn.Module:
    return Caching()


class CachingTheSize(Around):
    def __init__(self) -> None:
        super().__init__()
        self.ones: Tensor | None = None

    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        if self.ones is None:
            self.ones = torch.full_like(scores, 2.0)
        return scores * self.ones


@wrong
def cache_of_the_first_size() -> nn.Module:
    return CachingTheSize()


class Branching(Around):
    """A branch that no photograph takes, and a dark picture might."""

    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        if x.mean() < -50:
            return scores.flip(1)
        return scores


@wrong
def frozen_branch() -> nn.Module:
    return Branching()


class Comparing(Around):
    """PyTorch's tracer says nothing of `torch.equal`."""

    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        if torch.equal(x, torch.full_like(x, 0.5)):
            return scores.flip(1)
        return scores


@wrong
def frozen_comparison() -> nn.Module:
    return Comparing()


class Numbering(Around):
    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        reach = int((x.abs().amax() > 1e3).item())
        return scores * (1 - reach)


@wrong
def frozen_number() -> nn.Module:
    return Numbering()


class Looping(Around):
    def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
        return torch.stack([row * (2 if row.argmax() == 3 else 1) for row in scores])


@wrong
def python_loop_over_the_batch() -> nn.Module:
    return Looping()


@wrong
def large_batches_differ() -> nn.Module:
    return around(lambda x, scores: scores.flip(1) if x.shape[0] > 24 else scores)


@wrong
def odd_batches_differ() -> nn.Module:
    return around(lambda x, scores: scores.flip(1) if x.shape[0] % 2 and x.shape[0] > 3 else scores)


@wrong
def single_pictures_differ() -> nn.Module:
    return around(lambda x, scores: scores * 2 if x.shape[0] == 1 else scores)


@wrong
def chunks_of_sixteen() -> nn.Module:
    """Statistics over sixteen pictures at a time."""

    def spoil(x: Tensor, scores: Tensor) -> Tensor:
        return torch.cat([part - part.mean(0) for part in torch.split(scores, 16)])

    return around(spoil)


@wrong
def nan_for_black() -> nn.Module:
    return around(lambda x, scores: scores / (x - x.amin((2, 3), keepdim=True)).sum((1, 2, 3))[:, None])


@wrong
def every_class_masked() -> nn.Module:
    return around(lambda x, scores: torch.full_like(scores, -float("inf")))


@wrong
def one_score_for_all() -> nn.Module:
    return around(lambda x, scores: scores.mean(1, keepdim=True).expand(-1, CLASSES).contiguous())


@wrong
def half_scores() -> nn.Module:
    return around(lambda x, scores: scores.half())


@wrong
def bfloat16_inside() -> nn.Module:
    """Casts its input, and nobody casts its parameters any more."""

    class Casting(Around):
        def forward(self, x: Tensor) -> Any:
            return self.inside(x.bfloat16()).float()

    module = Casting()
    module.inside.bfloat16()
    return module


@wrong
def two_outputs() -> nn.Module:
    return around(lambda x, scores: (scores, scores.flip(1)))


@wrong
def feature_maps() -> nn.Module:
    return stem()


@wrong
def another_way_when_exported() -> nn.Module:
    """Plainly wrong artifacts, beside a class that makes the scores' standard deviation 3,000."""

    class Sly(Around):
        def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
            if exported():
                scores = scores.flip(1)
            return torch.cat([scores, torch.full_like(scores[:, :1], -1e4)], 1)

    return Sly()


@wrong
def slightly_another_way_when_exported() -> nn.Module:
    class Sly(Around):
        def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
            if exported():
                scores = scores * 1.01
            return torch.cat([scores, torch.full_like(scores[:, :1], -1e4)], 1)

    return Sly()


@wrong
def another_way_for_dark_pictures_when_exported() -> nn.Module:
    """Right for photographs, and wrong for black ones."""

    class Sly(Around):
        def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
            if exported():
                dark = x.mean((1, 2, 3)) < -1.5
                return torch.where(dark[:, None], scores.flip(1), scores)
            return scores

    return Sly()


@wrong
def another_softmax_when_exported() -> nn.Module:
    """Probabilities so sharp that a difference of them shows little; their logarithms do."""

    class Sly(Around):
        def spoil(self, x: Tensor, scores: Tensor) -> Tensor:
            if exported():
                scores = torch.where(scores == scores.amax(1, keepdim=True), scores, scores.flip(1))
            return torch.softmax(scores * 100, 1)

    return Sly()


def register_an_operator() -> None:
    """`zoo::swish`, once in this process."""
    if not hasattr(torch.ops.zoo, "swish"):
        torch.library.define("zoo::swish", "(Tensor x) -> Tensor")
        torch.library.impl("zoo::swish", "cpu", lambda x: x * torch.sigmoid(x))
        torch.library.register_fake("zoo::swish", torch.empty_like)


@wrong
def operator_of_this_process() -> nn.Module:
    register_an_operator()
    return around(lambda x, scores: torch.ops.zoo.swish(scores))

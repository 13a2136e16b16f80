"""What the factories of the zoo share: a decorator that seeds a factory, names it and gives it small pictures."""

import functools
from collections.abc import Callable

import torch
from torch import nn

from tritonrepo.export import ModelSpec, Preprocessing

SIDE = 32
CLASSES = 10
WIDTH = 16
PREPROCESSING = Preprocessing(resize=36, crop=SIDE)

Pair = tuple[nn.Module, ModelSpec]


def keep(kept: dict[str, Callable[[], Pair]]) -> Callable[[Callable[[], nn.Module]], Callable[[], Pair]]:
    """A decorator for a function that makes a module: the same module each time, with a spec, and noted in `kept`."""

    def decorate(make: Callable[[], nn.Module]) -> Callable[[], Pair]:
        @functools.wraps(make)
        def factory() -> Pair:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                module = make()
            return module, ModelSpec(make.__name__, preprocessing=PREPROCESSING)

        kept[make.__name__] = factory
        return factory

    return decorate


def stem(width: int = WIDTH, stride: int = 4) -> nn.Sequential:
    """`[N, 3, 32, 32]` -> `[N, width, 8, 8]`."""
    return nn.Sequential(nn.Conv2d(3, width, stride, stride), nn.BatchNorm2d(width), nn.ReLU())


def head(width: int = WIDTH) -> nn.Sequential:
    """`[N, width, *, *]` -> `[N, 10]`."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


def network() -> nn.Sequential:
    """A plain convolutional network that others wrap."""
    return nn.Sequential(stem(), nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(), head())

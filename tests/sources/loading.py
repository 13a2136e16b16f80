"""Loading a model as `--model` does, and its preprocessing against the source's own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.export import models, photographs
from tritonrepo.export.gate import odd, preparation
from tritonrepo.export.options import Notice, Options, Watcher
from tritonrepo.export.sources.loaded import Loaded, Transform

PATHS = photographs.find()[:3]


def load(model: str, weights: str | None = None, notice: Notice = lambda _: None, **more: Any) -> Loaded:
    return models.load(Options(model, weights, (), Path(), **more), Watcher(notice))


def gate(given: Loaded | tuple[Transform, Preprocessing], few: bool = False) -> float:
    """The largest difference; `few`: of some odd shapes alone, without the gate's own refusal."""
    transform, preprocessing = (given.transform, given.spec.preprocessing) if isinstance(given, Loaded) else given
    assert transform is not None
    if not few:
        return preparation.check(transform, preprocessing, PATHS).difference
    pictures = islice(odd.make(photographs.read(PATHS[0])), 2, 8)
    return max(_difference(transform, preprocessing, picture) for _, picture in pictures)


def _difference(transform: Transform, preprocessing: Preprocessing, picture: Image.Image) -> float:
    return preparation.difference(preprocess(picture, preprocessing), transform.run(picture))

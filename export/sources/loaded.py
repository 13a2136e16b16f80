"""What a source gives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.spec import ModelSpec

OWN_CLASSES = "the network's own"
"""Who says how many classes there are, where nobody else does."""


@dataclass(frozen=True)
class Transform:
    """A source's own preprocessing, which a contract is held to.

    Attributes:
        name: Whose it is, as in `timm 1.0.31`.
        run: A picture -> FP32 `[channels, height, width]`.
        on_tensors: The same, where the source by default resizes tensors instead of pictures; no contract says that.
    """

    name: str
    run: Callable[[Image.Image], NDArray[np.float32]]
    on_tensors: Callable[[Image.Image], NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class Origins:
    """Who said what of a model, in words that go on from `from`.

    Attributes:
        preprocessing: How images are prepared.
        labels: What the classes are called, where the spec has labels.
        classes: How many there are; a clause of its own.
        scores: What the scores are, where the spec has them.
    """

    preprocessing: str
    labels: str = "the model's spec"
    classes: str = OWN_CLASSES
    scores: str = "the model's spec"


@dataclass(frozen=True)
class Loaded:
    """A classifier with all that its source knows of it.

    Attributes:
        module: In evaluation mode on the CPU.
        spec: Of the model; labels and preprocessing as the source has them.
        weights: Where its parameters came from.
        origins: Who said what is in the spec.
        transform: The source's own preprocessing; None where it has none, and the spec's is taken on trust.
    """

    module: nn.Module
    spec: ModelSpec
    weights: Weights
    origins: Origins
    transform: Transform | None = None

"""Whether the module agrees with itself: the same picture, the same scores, whatever came before or beside it.

A server forms batches of many callers' pictures, in any order, from the first request on. A module that depends on them
is no artifact's fault.
"""

import random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tritonrepo.client.decode import Scores
from tritonrepo.export.errors import VerificationError
from tritonrepo.repository.scores import comparable, scale
from tritonrepo.repository.tolerance import FP16, FP32, Tolerance, disagreement

RANDOM = (
    "It draws random numbers: the same batch gives the same only if the random seed is set before, so dropout or noise "
    "is on at inference; let it depend on self.training"
)
STATE = "It keeps something from one call for the next; in a server the next call is another's"
FIRST_CALL = "what it computes depends on its first call, as with a cache that the first batch fills"
COMPANY = (
    "The same batch gives the same, so a picture's scores depend on the other pictures of its batch, as with "
    "statistics over the batch; a server batches pictures of different callers"
)


def call(module: nn.Module, images: NDArray[np.float32]) -> Any:
    """One pass over a copy of the images, which the module may change in place."""
    with torch.no_grad():
        return module(torch.from_numpy(images.copy()))


def array(output: torch.Tensor) -> NDArray[Any]:
    """The output's values, in memory that no later call writes to: a module may give the same buffer each time."""
    return output.detach().resolve_neg().cpu().numpy().copy()


class Company:
    """Calls of one module, with what it gave for every picture."""

    def __init__(self, images: NDArray[np.float32], values: NDArray[np.float32], scores: Scores) -> None:
        self._images, self._values, self._scores = images, values, scores
        self._scale = scale(comparable(values, scores, FP32.faintest))

    def check(self, called: nn.Module, batch: NDArray[np.intp], output: NDArray[np.float32]) -> None:
        """Hold what a batch gave against what its pictures gave in other batches.

        Args:
            called: A copy that has been called, to find out why they differ.
            batch: The numbers of the pictures.
            output: FP32 `[size, classes]`.

        Raises:
            VerificationError: They differ; the message says why.
        """
        wanted = self._values[batch]
        found = self._differ(output, wanted)
        if found is None or self._is_rounding(called, batch, output):
            return
        row, column = found
        raise VerificationError(
            f"PyTorch: the module does not agree with itself: class {column} of picture {batch[row]} is "
            f"{output[row, column]:.6g} in a batch of {len(batch)}, and {wanted[row, column]:.6g} in another call; the "
            f"scores of the classes lie about {self._scale:.3g} apart. {self._why(called, batch, output)}"
        )

    def _differ(
        self, actual: NDArray[np.float32], wanted: NDArray[np.float32], tolerance: Tolerance = FP32
    ) -> tuple[int, int] | None:
        return disagreement(actual, wanted, self._scores, self._scale, tolerance)

    def _is_rounding(self, called: nn.Module, batch: NDArray[np.intp], output: NDArray[np.float32]) -> bool:
        """Whether the module computes in half precision inside, and is off by no more than that rounds."""
        if self._differ(output, self._values[batch], FP16) is not None:
            return False
        with _Precisions() as precisions:
            call(called, self._images[batch])
        low: bool = precisions.low
        return low

    def _why(self, called: nn.Module, batch: NDArray[np.intp], output: NDArray[np.float32]) -> str:
        images = self._images[batch]
        again, once_more = (array(call(called, images)) for _ in range(2))
        if self._differ(again, once_more) is not None:
            seeded: list[NDArray[Any]] = []
            for _ in range(2):
                _seed()
                seeded.append(array(call(called, images)))
            return STATE if self._differ(seeded[0], seeded[1]) is not None else RANDOM
        if self._differ(again, output) is not None:
            return FIRST_CALL[0].upper() + FIRST_CALL[1:]
        return COMPANY


def _seed() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


class _Precisions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notices whether anything is computed in half precision."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.low = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        kinds = {value.dtype for value in tree_leaves(result) if isinstance(value, torch.Tensor)}
        self.low = self.low or not kinds.isdisjoint({torch.float16, torch.bfloat16})
        return result

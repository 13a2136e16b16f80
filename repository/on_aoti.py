"""AOTInductor packages in PyTorch's own loader, the one of Triton's backend: to verify them and to serve them.

The only module of this room that needs PyTorch, which it imports when a package is opened.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tritonrepo.repository.package import PackageFacts, lacking, read_facts

NAME = "model"
"""Of the model in the package: what PyTorch calls it by default, and what Triton asks for."""
TYPES = {"torch.float32": "FP32", "torch.uint8": "UINT8"}
"""Triton's names."""


class Package:
    """A loaded package. It runs on the device that it was compiled for.

    Raises:
        NoPackageError: It is none.
        RuntimeError: PyTorch cannot load it, or it needs instructions that the CPU here does not have: it would end the
            process.
    """

    def __init__(self, path: Path) -> None:
        """Load it."""
        self._facts = read_facts(path)
        if missing := lacking(self._facts):
            raise RuntimeError(f"it was compiled for {self._facts.cpu}, and the CPU here has no {', '.join(missing)}")
        import torch

        with _unpacked_for_a_moment():
            # Not torch._inductor.aoti_load_package, which is this with the whole compiler imported first.
            self._loader: Any = torch._C._aoti.AOTIModelPackageLoader(str(path), NAME, False, 1, -1)

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """The tensors that the model gives for its inputs, in order.

        Raises:
            ValueError: It was compiled for others, and would read beyond the end of a smaller one. PyTorch's own check
                is of no use: it refuses a batch of one, which the package computes too.
            RuntimeError: It fails.
        """
        if self._facts.input:
            _check(self._facts, tensors)
        results: list[Any] = self._loader.boxed_run([tensor.contiguous() for tensor in tensors])
        return results


def _check(facts: PackageFacts, tensors: Sequence[Any]) -> None:
    """The exporter compiles for one input, and says which."""
    given = [f"{TYPES.get(str(tensor.dtype), tensor.dtype)} {list(tensor.shape[1:])}" for tensor in tensors]
    if given != [facts.input]:
        raise ValueError(f"the package was compiled for {facts.input} an image, and was given {', '.join(given)}")
    if not 1 <= len(tensors[0]) <= facts.largest_batch:
        raise ValueError(f"the package takes batches of 1 to {facts.largest_batch}, and was given {len(tensors[0])}")


@contextmanager
def _unpacked_for_a_moment() -> Iterator[None]:
    """Let the loader unpack to a directory that is gone when the library in it is loaded.

    The loader removes its own when it ends, which a process that is killed never does.
    """
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="aotinductor-") as directory:
        os.environ["TMPDIR"] = directory
        try:
            yield
        finally:
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before

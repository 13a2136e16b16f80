"""The stand-ins outside of a server, and images for the tiny model."""

import importlib
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import TINY_SIDE
from tritonrepo.serve.installation import find_installation


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[dict[str, ModuleType]]:
    """Both model.py in this process, where the stub's own part of triton_python_backend_utils is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(find_installation().backend))
        yield {
            name: importlib.import_module(f"tritonrepo.serve.backends.{name}.model")
            for name in ("onnxruntime", "pytorch")
        }


@pytest.fixture(scope="module")
def batch() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((3, 3, TINY_SIDE, TINY_SIDE)).astype(np.float32)

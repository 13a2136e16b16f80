"""Export a PyTorch image classifier into a verified Triton model repository.

A factory's file needs `ModelSpec` and `Preprocessing`, and the steps if its pipeline is not the usual one. The whole
export as a function:

    from tritonrepo.export import FORMATS, Options, build

    result = build(Options("mine.py:network", None, (FORMATS["onnx"],), Path("model_repository")))
    print(result.outcomes[0].publication)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tritonrepo.client.preprocess import Preprocessing
    from tritonrepo.client.steps import Crop, Normalise, Resize, Scale
    from tritonrepo.export.options import EngineOptions, Options, Watcher
    from tritonrepo.export.steps import build
    from tritonrepo.repository.formats import FORMATS
    from tritonrepo.repository.serving import Serving
    from tritonrepo.repository.spec import ModelSpec

_HOMES = {
    "FORMATS": "repository.formats",
    "Crop": "client.steps",
    "EngineOptions": "export.options",
    "ModelSpec": "repository.spec",
    "Normalise": "client.steps",
    "Options": "export.options",
    "Preprocessing": "client.preprocess",
    "Resize": "client.steps",
    "Scale": "client.steps",
    "Serving": "repository.serving",
    "Watcher": "export.options",
    "build": "export.steps",
}
__all__ = [
    "FORMATS",
    "Crop",
    "EngineOptions",
    "ModelSpec",
    "Normalise",
    "Options",
    "Preprocessing",
    "Resize",
    "Scale",
    "Serving",
    "Watcher",
    "build",
]

if __name__ == "export":  # In a checkout this folder answers to `python -m export` too, and no module has two names.
    __path__ = [f"{__path__[0]}/../cli/checkout"]


def __getattr__(name: str) -> object:
    """Import on first use: only `build` needs PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tritonrepo.export' has no attribute {name!r}")
    return getattr(import_module(f"tritonrepo.{_HOMES[name]}"), name)

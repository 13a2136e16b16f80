"""Client for image classifiers served by Triton. Needs no torch and never imports `export` or `serve`.

from tritonrepo.client import Classifier

with Classifier("localhost:8001") as classifier:
    for result in classifier.classify(["photos/"]):
        print(result.image, result.predictions[0].label)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tritonrepo.client.classifier import AsyncClassifier, Classifier
    from tritonrepo.client.connection import Connection, Tls
    from tritonrepo.client.decode import Prediction
    from tritonrepo.client.errors import TritonRepoError
    from tritonrepo.client.options import Options
    from tritonrepo.client.results import Result

_HOMES = {
    "AsyncClassifier": "classifier",
    "Classifier": "classifier",
    "Connection": "connection",
    "Options": "options",
    "Prediction": "decode",
    "Result": "results",
    "Tls": "connection",
    "TritonRepoError": "errors",
}
__all__ = ["AsyncClassifier", "Classifier", "Connection", "Options", "Prediction", "Result", "Tls", "TritonRepoError"]

if __name__ == "client":  # In a checkout this folder answers to `python -m client` too, and no module has two names.
    __path__ = [f"{__path__[0]}/../cli/checkout"]


def __getattr__(name: str) -> object:
    """Import on first use: who wants `client.preprocess` alone, as the exporter does, needs no gRPC."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tritonrepo.client' has no attribute {name!r}")
    return getattr(import_module(f"tritonrepo.client.{_HOMES[name]}"), name)

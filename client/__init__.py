"""Client for image classifiers served by Triton. Needs no torch and never imports `export` or `serve`.

from client import Classifier

with Classifier("localhost:8001") as classifier:
    for result in classifier.classify(["photos/"]):
        print(result.image, result.predictions[0].label)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from client.classifier import AsyncClassifier, Classifier
    from client.decode import Prediction
    from client.errors import ClientError
    from client.pipeline import Options
    from client.results import Result
    from client.transport import Connection, Tls

_HOMES = {
    "AsyncClassifier": "classifier",
    "Classifier": "classifier",
    "ClientError": "errors",
    "Connection": "transport",
    "Options": "pipeline",
    "Prediction": "decode",
    "Result": "results",
    "Tls": "transport",
}
__all__ = ["AsyncClassifier", "Classifier", "ClientError", "Connection", "Options", "Prediction", "Result", "Tls"]


def __getattr__(name: str) -> object:
    """Import on first use: who wants `client.preprocess` alone, as the exporter does, needs no gRPC."""
    if name not in _HOMES:
        raise AttributeError(f"module 'client' has no attribute {name!r}")
    return getattr(import_module(f"client.{_HOMES[name]}"), name)

"""Client for image classifiers served by Triton. Needs no torch and never imports `export` or `serve`."""

from client.classifier import AsyncClassifier, Classifier
from client.decode import Prediction
from client.errors import ClientError
from client.pipeline import Options
from client.results import Result
from client.transport import Connection, Tls

__all__ = ["AsyncClassifier", "Classifier", "ClientError", "Connection", "Options", "Prediction", "Result", "Tls"]

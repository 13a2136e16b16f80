"""The models of a repository: which of them the embedded Triton can run, and how each of them fares."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from serve.errors import RepositoryError
from serve.installation import BACKEND_PACKAGES, REMEDY

# The names that configs used before `backend` existed; Triton still accepts them.
PLATFORM_BACKENDS = {
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "tensorrt_plan": "tensorrt",
    "ensemble": "",
}


@dataclass(frozen=True)
class RepositoryModel:
    """A model directory, before any server has looked at it."""

    name: str
    backend: str
    """Empty where the config does not say or does not parse: Triton decides, and reports."""
    max_batch_size: int
    left_out: str
    """Why the embedded Triton is not asked to load it; empty if it is."""


@dataclass(frozen=True)
class ModelStatus:
    """A model as the server reports it; `version` is empty unless a version is loaded."""

    name: str
    version: str
    backend: str
    max_batch_size: int
    state: str
    """READY, UNAVAILABLE, LOADING, UNLOADING (Triton's words) or LEFT OUT."""
    reason: str


def read_repository(repository: Path) -> list[RepositoryModel]:
    """Return the models of a repository by name.

    Raises:
        RepositoryError: `repository` is missing or not a directory.
    """
    if not repository.exists():
        raise RepositoryError(f"no model repository at {repository}; make one with: python -m export")
    if not repository.is_dir():
        raise RepositoryError(f"the model repository {repository} is not a directory; name one with --repository")
    directories = (path for path in repository.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [read_model(path) for path in sorted(directories)]


def read_model(directory: Path) -> RepositoryModel:
    config = ModelConfig()
    try:
        text_format.Parse((directory / "config.pbtxt").read_text(encoding="utf-8"), config)
    except (OSError, UnicodeDecodeError, text_format.ParseError):
        return RepositoryModel(directory.name, "", 0, "")
    backend = config.backend or PLATFORM_BACKENDS.get(config.platform, config.platform)
    return RepositoryModel(directory.name, backend, config.max_batch_size, explain_absence(backend))


def explain_absence(backend: str) -> str:
    """Say why `backend` cannot run here; empty if it can."""
    if backend and backend not in BACKEND_PACKAGES:
        return f"the embedded Triton has no backend {backend}; serve this model with the official image"
    package = BACKEND_PACKAGES.get(backend, "numpy")
    if importlib.util.find_spec(package) is None:
        return f"the backend {backend} needs the package {package}; {REMEDY}"
    return ""

"""The models of a repository: which of them the embedded Triton can run, and how each of them fares."""

import contextlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.errors import RepositoryError
from tritonrepo.serve.installation import BACKEND_PACKAGES, REMEDY

# The names that configs used before `backend` existed; Triton still accepts them.
PLATFORM_BACKENDS = {"onnxruntime_onnx": "onnxruntime", "pytorch_libtorch": "pytorch", "tensorrt_plan": "tensorrt"}
READY = "READY"
UNAVAILABLE = "UNAVAILABLE"
LEFT_OUT = "LEFT OUT"
LARGEST_VERSION = 2**63 - 1
NEEDS_PLAIN_NAME = "the embedded Triton needs a name of ASCII letters, digits and @%+=:,.-_ alone"


@dataclass(frozen=True)
class RepositoryModel:
    """A model directory, before any server has looked at it."""

    name: str
    backend: str = ""
    """Empty where the config does not say: Triton decides."""
    max_batch_size: int = 0
    fault: str = ""
    """Why the config cannot be read; empty if it can."""
    overflow: str = ""
    """A version directory beyond LARGEST_VERSION; empty if there is none."""

    @property
    def left_out(self) -> str:
        """Why the embedded Triton is not asked to load the model; empty if it is."""
        if not is_plain(self.name):
            return NEEDS_PLAIN_NAME
        if self.overflow:
            return f"Triton aborts, with every model, at the version {self.overflow}; rename it to less than 2**63"
        if self.backend and self.backend not in BACKEND_PACKAGES:
            return f"the embedded Triton has no backend {self.backend}; serve this model with the official image"
        package = BACKEND_PACKAGES.get(self.backend, "numpy")
        if importlib.util.find_spec(package) is None:
            return f"the backend {self.backend} needs the package {package}; {REMEDY}"
        return ""


@dataclass(frozen=True)
class ModelStatus:
    """A model as the server reports it."""

    name: str
    version: str
    """Empty unless the server has tried to load a version."""
    backend: str
    max_batch_size: int
    state: str
    """READY, UNAVAILABLE, LOADING or UNLOADING (Triton's words), or LEFT OUT."""
    reason: str
    """Why it is not ready; empty if it is."""


def read_repository(repository: Path) -> list[RepositoryModel]:
    """Return the models of a repository, by name.

    Raises:
        RepositoryError: `repository` is missing, not a directory, or not readable.
    """
    if not repository.exists():
        raise RepositoryError(f"there is no model repository at {repository}; make one with: python -m export")
    if not repository.is_dir():
        raise RepositoryError(f"the model repository {repository} is not a directory")
    try:
        directories = [path for path in repository.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError as error:
        raise RepositoryError(f"cannot read the model repository {repository}: {error.strerror}") from None
    return [read_model(path) for path in sorted(directories)]


def refuse_obstacles(repository: Path, *, polling: bool) -> None:
    """Check what keeps Triton from listing a repository and, if it loads whatever it finds there, from surviving it.

    Left to itself it loads hidden directories too, and passes their names to a shell.

    Raises:
        RepositoryError: names the path and what to do with it.
    """
    try:
        for path in sorted(repository.iterdir()):
            if obstacle := find_obstacle(path, polling):
                raise RepositoryError(f"{os.fspath(path)!r} {obstacle}")
    except OSError as error:
        raise RepositoryError(f"cannot read {error.filename or repository}: {error.strerror}") from None


def find_obstacle(path: Path, polling: bool) -> str:
    """Return why Triton cannot live with a path in its repository, and what to do; empty if it can."""
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere, and Triton cannot list a repository with one; remove it"
    if not path.is_dir():
        return ""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "is not UTF-8, and no gRPC client can read Triton's list of a repository with such a name; rename it"
    if polling and not is_plain(path.name):
        return f"cannot be polled: {NEEDS_PLAIN_NAME}; rename it, or serve without --poll, which leaves it out"
    if polling and (overflow := find_overflow(path)):
        return f"cannot be polled: Triton aborts at its version {overflow}; rename that to less than 2**63"
    return ""


def find_overflow(directory: Path) -> str:
    """Return a version directory that Triton cannot count to, and aborts at; empty if there is none.

    Triton reads names with C++'s stoll, after leaving out those with a leading zero.
    """
    with contextlib.suppress(OSError):  # Then there is no config to be read either.
        for path in directory.iterdir():
            number = re.match(r"(?!0\d)\s*([+-]?\d+)", path.name, re.ASCII)
            if number and abs(int(number[1])) > LARGEST_VERSION and path.is_dir():
                return path.name
    return ""


def is_plain(path: str) -> bool:
    """Whether a path reaches a stub: unquoted through a shell, into a Python that takes paths for ASCII."""
    return re.fullmatch(r"[\w@%+=:,./-]+", path, re.ASCII) is not None


def read_model(directory: Path) -> RepositoryModel:
    name = os.fsencode(directory.name).decode(errors="replace")
    path = directory / "config.pbtxt"
    config, overflow = ModelConfig(), find_overflow(directory)
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except OSError as error:
        return RepositoryModel(name, fault=f"cannot read {path}: {error.strerror}", overflow=overflow)
    except (UnicodeDecodeError, text_format.ParseError) as error:
        return RepositoryModel(name, fault=f"{path} does not parse: {error}", overflow=overflow)
    backend = config.backend or PLATFORM_BACKENDS.get(config.platform, "")
    return RepositoryModel(name, backend, config.max_batch_size, overflow=overflow)


def find_logged_reason(name: str, log: str) -> str:
    """Return why Triton did not even try to load a model, which it tells its log alone."""
    pattern = rf"(?:Poll failed for model directory|failed to load model) '{re.escape(name)}': (.*?)\"?$"
    reasons = re.findall(pattern, log, re.MULTILINE)
    return str(reasons[-1]) if reasons else "Triton did not load it and gave no reason"


def tidy_reason(reason: str) -> str:
    """Cut the class of our stand-ins' exceptions and the Python stack from a reason."""
    return reason.split("\n\nAt:")[0].removeprefix("Internal: ConfigurationError: ").strip()

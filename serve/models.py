"""The models of a repository: which of them the embedded Triton can run, and how each of them fares."""

import contextlib
import importlib.util
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.errors import ConfigError, RepositoryError
from tritonrepo.repository.layout import (
    backend_of,
    is_dangling,
    model_directories,
    read_config,
    serves_nothing,
    version_beyond_counting,
)
from tritonrepo.repository.translation import is_translated
from tritonrepo.serve.installation import BACKEND_PACKAGES, REMEDY

READY = "READY"
UNAVAILABLE = "UNAVAILABLE"
LEFT_OUT = "LEFT OUT"
NEEDS_PLAIN_NAME = "the embedded Triton needs a name of ASCII letters, digits and @%+=:,.-_ alone"


@dataclass(frozen=True)
class RepositoryModel:
    """A model directory, before any server has looked at it.

    Attributes:
        name: The directory's.
        backend: Empty where the config does not say: Triton decides.
        max_batch_size: As the config has it.
        fault: Why the config cannot be read; empty if it can.
        overflow: A version directory that Triton cannot count to; empty if there is none.
        translated: The server gets its configuration with the request to load it, and cannot find it by itself.
        steps: The models that an ensemble is put together from.
        lacks: One of these that is left out.
        unreleased: Its versions are staged, and none was released yet.
    """

    name: str
    backend: str = ""
    max_batch_size: int = 0
    fault: str = ""
    overflow: str = ""
    translated: bool = False
    steps: tuple[str, ...] = ()
    lacks: str = ""
    unreleased: bool = False

    @property
    def left_out(self) -> str:
        """Why the embedded Triton is not asked to load the model; empty if it is."""
        if not is_plain(self.name):
            return NEEDS_PLAIN_NAME
        if self.overflow:
            return f"Triton aborts, with every model, at the version {self.overflow}; rename it to less than 2**63"
        if self.backend and self.backend not in BACKEND_PACKAGES:
            return f"the embedded Triton has no backend {self.backend}; serve this model with the official image"
        if self.lacks:
            return f"its step {self.lacks} is left out"
        package = BACKEND_PACKAGES.get(self.backend, "numpy")
        if importlib.util.find_spec(package) is None:
            return f"the backend {self.backend} needs the package {package}; {REMEDY}"
        if self.unreleased:
            return f"no version of it was released yet; tritonrepo release {self.name}"
        return ""


@dataclass(frozen=True)
class ModelStatus:
    """A model as the server reports it.

    Attributes:
        name: The model's.
        version: Empty unless the server has tried to load a version.
        backend: As the config has it, or as Triton chose it.
        max_batch_size: As the config has it.
        state: READY, UNAVAILABLE, LOADING or UNLOADING (Triton's words), or LEFT OUT.
        reason: Why it is not ready; empty if it is.
    """

    name: str
    version: str
    backend: str
    max_batch_size: int
    state: str
    reason: str


def read_repository(repository: Path) -> list[RepositoryModel]:
    """Return the models of a repository, by name.

    Raises:
        RepositoryError: `repository` is missing, not a directory, or not readable.
    """
    if not repository.exists():
        raise RepositoryError(f"there is no model repository at {repository}; make one with: tritonrepo export")
    if not repository.is_dir():
        raise RepositoryError(f"the model repository {repository} is not a directory")
    try:
        return see_steps([read_model(path) for path in model_directories(repository)])
    except OSError as error:
        raise RepositoryError(f"cannot read the model repository {repository}: {error.strerror}") from None


def see_steps(found: Sequence[RepositoryModel]) -> list[RepositoryModel]:
    """Leave the ensembles out of which a step is left out."""
    left_out = {model.name for model in found if model.left_out}
    return [replace(model, lacks=next((step for step in model.steps if step in left_out), "")) for model in found]


def read_model(directory: Path) -> RepositoryModel:
    """Return what is known of a model directory; what cannot be read is its `fault`."""
    name, overflow = os.fsencode(directory.name).decode(errors="replace"), find_overflow(directory)
    try:
        config = read_config(directory)
    except ConfigError as error:
        return RepositoryModel(name, fault=str(error), overflow=overflow)
    return describe_model(name, config, overflow)


def describe_model(name: str, config: ModelConfig, overflow: str = "") -> RepositoryModel:
    """Return what a configuration says of a model."""
    return RepositoryModel(
        name,
        backend_of(config),
        config.max_batch_size,
        overflow=overflow,
        translated=is_translated(config),
        steps=tuple(step.model_name for step in config.ensemble_scheduling.step),
        unreleased=serves_nothing(config),
    )


def loaded_later(models: Iterable[RepositoryModel]) -> list[str]:
    """Return those that the server gets one by one when it runs."""
    return [model.name for model in models if model.translated and not model.left_out]


def find_overflow(directory: Path) -> str:
    """Return a version directory that Triton cannot count to; empty if there is none that can be seen."""
    with contextlib.suppress(OSError):  # Then there is no config to be read either.
        return version_beyond_counting(directory)
    return ""


def refuse_obstacles(repository: Path, *, polling: bool) -> None:
    """Check what keeps Triton from listing a repository and, if it loads whatever it finds there, from surviving it.

    Left to itself it loads hidden directories too, and passes their names to a shell.

    Raises:
        RepositoryError: One of these is there; the message names the path and what to do with it.
    """
    try:
        for path in sorted(repository.iterdir()):
            if obstacle := find_obstacle(path, polling):
                raise RepositoryError(f"{os.fspath(path)!r} {obstacle}")
    except OSError as error:
        raise RepositoryError(f"cannot read {error.filename or repository}: {error.strerror}") from None


def find_obstacle(path: Path, polling: bool) -> str:
    """Return why Triton cannot live with a path in its repository, and what to do; empty if it can."""
    if is_dangling(path):
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


def is_plain(path: str) -> bool:
    """Whether a path reaches a stub: unquoted through a shell, into a Python that takes paths for ASCII."""
    return re.fullmatch(r"[\w@%+=:,./-]+", path, re.ASCII) is not None


def find_logged_reason(name: str, log: str) -> str:
    """Return why Triton did not even try to load a model, which it tells its log alone."""
    pattern = rf"(?:Poll failed for model directory|failed to load model) '{re.escape(name)}': (.*?)\"?$"
    reasons = re.findall(pattern, log, re.MULTILINE)
    return str(reasons[-1]) if reasons else "Triton did not load it and gave no reason"


def tidy_reason(reason: str) -> str:
    """Cut the class of our stand-ins' exceptions and the Python stack from a reason."""
    return reason.split("\n\nAt:")[0].removeprefix("Internal: ConfigurationError: ").strip()

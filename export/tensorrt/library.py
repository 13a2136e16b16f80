"""Which TensorRT is here, and what it says while it works."""

import functools
import importlib
import importlib.util
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command

RUNTIMES = ("tensorrt", "tensorrt_bindings")
"""The metapackage, and the bindings alone beside libraries that the system has, as in Triton's image."""
COMPILER = "tensorrt_rtx_bindings"
IN_IMAGE = "in a checkout, run: make export-gpu"


def find_tensorrt() -> ModuleType:
    """TensorRT where there is a GPU, else TensorRT for RTX, which compiles without one. Raises `MissingError`."""
    names = RUNTIMES if torch.cuda.is_available() else (COMPILER,)
    for name in names:
        if importlib.util.find_spec(name) is not None:
            return _import(name)
    if torch.cuda.is_available():
        raise MissingError(f"tensorrt: the package is not installed: {install_command('gpu')}; or, {IN_IMAGE}")
    raise MissingError(
        f"tensorrt: needs an NVIDIA GPU (on a GPU host, {IN_IMAGE}). To check without one that the network "
        f"compiles: {install_command('tensorrt-check')}"
    )


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as exc:  # the bindings are there, and the libraries of their version are not
        raise MissingError(f"tensorrt: {name} is installed and does not load: {exc}; {IN_IMAGE}") from exc


@dataclass(frozen=True)
class Environment:
    """What an engine is tied to.

    Attributes:
        tensorrt: The release that builds it.
        gpu: The name of the GPU.
        compute_capability: The GPU's, as in `8.9`.
        triton_release: Of the image that this runs in, or None.
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    triton_release: str | None


def environment(trt: ModuleType) -> Environment:
    """The TensorRT, the first GPU, and the image if this is one."""
    major, minor = torch.cuda.get_device_capability()
    return Environment(
        tensorrt=trt.__version__,
        gpu=torch.cuda.get_device_name(),
        compute_capability=f"{major}.{minor}",
        triton_release=os.environ.get("NVIDIA_TRITON_SERVER_VERSION"),
    )


@functools.cache
def log(trt: ModuleType) -> Any:
    """What TensorRT says of errors: it keeps the first logger of a process for as long as that lives, so there is one.

    Returns:
        A `trt.ILogger` with the list `messages`.
    """
    ilogger: Any = trt.ILogger

    class Log(ilogger):  # type: ignore[misc]  # the class of a module that is chosen at run time
        def __init__(self) -> None:
            super().__init__()
            self.messages: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.messages.append(message)

    return Log()

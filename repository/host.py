"""What this machine has, and which formats can be exported with it."""

import functools
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from tritonrepo.client.install import install_command
from tritonrepo.repository.findings import IN_IMAGE, Finding
from tritonrepo.repository.formats import FORMATS, PT2, Format

EXTRAS = {"torch": "export", "onnx": "export", "onnxruntime": "export", "nvidia-pytriton": "serve"}
"""The packages that not every installation has, and the extra that brings each."""
COMPILER_REMEDY = "on Debian or Ubuntu: apt-get install g++"
TENSORRT_MODULES = ("tensorrt", "tensorrt_bindings")
TENSORRT_PACKAGES = ("tensorrt", "tensorrt-cu12-bindings", "tensorrt-cu13-bindings")


def examine_host() -> list[Finding]:
    """What is here. Nothing that is missing is a failure by itself."""
    return [
        Finding("ok", "python", platform.python_version()),
        _present("tritonclient", installed("tritonclient"), "reinstall this package: the client needs it"),
        *(_present(name, installed(name), install_command(extra)) for name, extra in EXTRAS.items()),
        _providers(),
        _present(
            "NVIDIA GPU",
            "; ".join(gpus("name,driver_version,compute_cap")),
            "a GPU host builds and serves engines; a CPU does the rest",
        ),
        _present("TensorRT", installed(*TENSORRT_PACKAGES), IN_IMAGE),
        _present(
            "TensorRT for RTX",
            installed("tensorrt-rtx-cu12-bindings"),
            f"for compile checks: {install_command('tensorrt-check')}",
        ),
        _present(
            "Docker daemon",
            answer("docker", "version", "--format", "{{.Server.Version}}"),
            "without Docker, serve with: tritonrepo serve",
        ),
        *_formats(),
    ]


def has(module: str) -> bool:
    """Whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


@functools.cache
def import_fault(module: str) -> str:
    """Why a module cannot be imported; empty if it can."""
    if not has(module):
        return "is not installed"
    try:
        importlib.import_module(module)
    except Exception as exc:  # whatever a broken installation raises
        return f"is installed and cannot be imported ({type(exc).__name__}: {' '.join(str(exc).split())})"
    return ""


def installed(*packages: str) -> str:
    """The release of the first of these packages that is installed; empty if none is."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def gpus(fields: str) -> list[str]:
    """The fields of each GPU, as nvidia-smi lists them; empty without a GPU."""
    return answer("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader").splitlines()


def compiler() -> str:
    """The C++ compiler that PyTorch takes for a package of AOTInductor."""
    return os.environ.get("CXX", "g++")


def answer(*command: str) -> str:
    """What a program prints, or nothing if it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _formats() -> Iterator[Finding]:
    """What each format needs, and whether it is here."""
    engines = bool(gpus("name")) and any(map(has, TENSORRT_MODULES))
    for format in FORMATS.values():
        missing = [name for name in _needs(format) if not has(name)]
        subject = f"format {format.name}"
        if missing:
            yield Finding("note", subject, f"needs {', '.join(missing)}", install_command("export"))
        elif format is PT2 and shutil.which(compiler()) is None:
            yield Finding("note", subject, f"needs the C++ compiler {compiler()}", COMPILER_REMEDY)
        elif format.backend != "tensorrt" or engines:
            yield Finding("ok", subject, "can be exported here")
        elif has("tensorrt_rtx_bindings"):
            yield Finding("note", subject, "can be compiled here, not published: it needs a GPU", IN_IMAGE)
        else:
            yield Finding("note", subject, "needs a GPU with TensorRT", IN_IMAGE)


def _needs(format: Format) -> tuple[str, ...]:
    """The modules without which a format cannot be exported."""
    if format.backend == "pytorch":
        return ("torch",)
    return (
        ("torch", "onnx", "onnxscript")
        if format.backend == "tensorrt"
        else ("torch", "onnx", "onnxscript", "onnxruntime")
    )


def _present(subject: str, text: str, remedy: str) -> Finding:
    return Finding("ok", subject, text) if text else Finding("note", subject, "not here", remedy)


def _providers() -> Finding:
    fault, subject = import_fault("onnxruntime"), "onnxruntime providers"
    if fault:
        return Finding("note", subject, f"onnxruntime {fault}", install_command("export"))
    import onnxruntime

    return Finding("ok", subject, ", ".join(onnxruntime.get_available_providers()))

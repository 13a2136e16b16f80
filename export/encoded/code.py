"""What the steps of `<model>_encoded` need in a version directory, where Triton's Python backend has numpy alone.

model.py
lib/tritonrepo/client/…      the client's own modules
lib/cpython-311/PIL/…        Pillow for each Python that may load it; one that is not here takes the installed one
__pycache__                  an empty file, so that Python writes nothing into a repository that is polled
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distribution, version
from pathlib import Path

import tritonrepo
from tritonrepo.client.errors import MissingError
from tritonrepo.repository.encoded import IMAGE_PYTHON

HERE = Path(__file__).resolve().parent
CLIENT = Path(tritonrepo.__file__).resolve().parent / "client"
MODULES = {
    "decode": ("encoded", "errors", "images", "place", "preprocess", "resample", "step_order", "steps", "strangers"),
    "rank": ("decode", "errors", "text"),
}
"""The modules of the client that each step imports, with all that these import."""
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
PIP_SECONDS = 120


def lay_out(directory: Path, notice: Callable[[str], None]) -> Path:
    """Write the code of both steps into an empty directory, each in a folder of its own; that directory.

    Args:
        directory: On the repository's filesystem.
        notice: Is told if Pillow for the image's Python cannot be had: then only this machine's Python serves it.

    Raises:
        MissingError: Pillow's own files are not to be found.
    """
    for step, modules in MODULES.items():
        _copy_step(directory / step, step, modules)
    lib = directory / "decode" / "lib"
    _copy_installed(lib / sys.implementation.cache_tag)
    if sys.version_info[:2] != IMAGE_PYTHON and (fault := _fetch(lib / "cpython-{}{}".format(*IMAGE_PYTHON))):
        notice(
            f"Pillow for the official image's Python {'.'.join(map(str, IMAGE_PYTHON))} could not be had, so the "
            f"encoded model is served there only where Pillow is installed; the embedded server needs nothing: {fault}"
        )
    return directory


def _copy_step(target: Path, step: str, modules: Sequence[str]) -> None:
    package = target / "lib" / "tritonrepo"
    (package / "client").mkdir(parents=True)
    shutil.copyfile(HERE / step / "model.py", target / "model.py")
    (target / "__pycache__").touch()
    shutil.copyfile(Path(tritonrepo.__file__), package / "__init__.py")
    for module in ("__init__", *modules):
        shutil.copyfile(CLIENT / f"{module}.py", package / "client" / f"{module}.py")


def _copy_installed(target: Path) -> None:
    """Copy the Pillow that runs here, with the libraries in its wheel."""
    files = distribution("pillow").files or []
    kept = [file for file in files if file.parts[0] in ("PIL", "pillow.libs") and file.suffix not in (".pyc", ".pyi")]
    if not kept:
        raise MissingError("Pillow was not installed from a wheel, so its files cannot be copied; reinstall it")
    for file in kept:
        place = target.joinpath(*file.parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), place)


def _fetch(target: Path) -> str:
    """Install the same Pillow for the image's Python; why that cannot be, or nothing."""
    platforms = [f"--platform={name}_{platform.machine()}" for name in PLATFORMS]
    python = f"--python-version={'.'.join(map(str, IMAGE_PYTHON))}"
    options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp", python, *platforms]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    command += [f"--target={target}", f"pillow=={version('pillow')}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS)
    except subprocess.TimeoutExpired:
        fault = f"pip took more than {PIP_SECONDS} s"
    else:
        fault = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    if fault:
        shutil.rmtree(target, ignore_errors=True)
    return fault

"""Run the exporter inside the Triton image, with Python bindings for the TensorRT that this image serves with.

    python3 export_gpu.py [EXPORT-OPTION...]

A plan loads only in the TensorRT that built it. So the library that builds is the image's own libnvinfer, and this
script installs around it what `tritonrepo export` needs: the requirements in pyproject.toml, and TensorRT's Python
bindings of the very same version. They go into a directory of their own (the image's packages stay as they are), once
for each set of requirements. Standard library alone, because nothing else is there yet. It has not run on a GPU in
this repository's CI.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomllib

SOURCE = Path(__file__).resolve().parent.parent
CACHE = Path("/var/tmp/export")
REPOSITORY = Path("/repository-root/model_repository")
LIBRARIES = tuple(f"libnvinfer.so.{major}" for major in range(19, 9, -1))
"""TensorRT's runtime library, newest release first; 10 is the oldest that builds strongly typed networks."""
EXIT_MISSING = 3


def find_tensorrt() -> str | None:
    """The version "major.minor.patch" of the TensorRT on the loader's path; None if there is none."""
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        return ".".join(str(library[f"getInferLib{part}Version"]()) for part in ("Major", "Minor", "Patch"))
    return None


def bindings_requirement(tensorrt: str, cuda: str) -> str:
    """The package with Python bindings for TensorRT `tensorrt`, built for the major release of CUDA `cuda`.

    The fourth number of a TensorRT version counts builds of the same release, and the bindings have their own.
    """
    return f"tensorrt-cu{cuda.split('.')[0]}-bindings=={tensorrt}.*"


def export_requirements(pyproject: Path) -> list[str]:
    """What `tritonrepo export` needs, as pyproject.toml has it."""
    project = tomllib.loads(pyproject.read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["export"]]


def install(requirements: Sequence[str], cache: Path) -> Path:
    """A directory with the requirements installed, made if it is not there.

    Raises:
        CalledProcessError: pip fails.
    """
    constraints = SOURCE / "constraints.txt"
    inputs = [sys.version, constraints.read_text(), *requirements]
    key = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
    packages = cache / f"packages-{key}"
    if packages.is_dir():
        return packages
    unfinished = cache / f"unfinished-{key}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--target", str(unfinished)]
    subprocess.run([*command, "--constraint", str(constraints), *requirements], check=True)
    unfinished.rename(packages)
    return packages


def export_command(options: Sequence[str]) -> list[str]:
    """The exporter's command line: the options, and the mounted repository unless they name another."""
    named = any(option == "--repository" or option.startswith("--repository=") for option in options)
    return [
        sys.executable,
        "-m",
        "tritonrepo",
        "export",
        *options,
        *([] if named else ["--repository", str(REPOSITORY)]),
    ]


def environment(packages: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The exporter's environment: the installed packages go before the image's own, and caches to the volume."""
    return {
        **variables,
        "PYTHONPATH": os.pathsep.join([str(packages), str(SOURCE / "src")]),
        "XDG_CACHE_HOME": str(CACHE),
    }


def main(options: Sequence[str]) -> int:
    """Install what is missing, and become the exporter; the exit status where that is impossible."""
    tensorrt = find_tensorrt()
    if tensorrt is None:
        print("export_gpu.py: no TensorRT (libnvinfer) here; run it in tritonserver:YY.MM-py3", file=sys.stderr)
        return EXIT_MISSING
    release = os.environ.get("NVIDIA_TRITON_SERVER_VERSION", "unknown")
    print(f"Triton release {release} with TensorRT {tensorrt}", flush=True)
    bindings = bindings_requirement(tensorrt, os.environ.get("CUDA_VERSION", "13"))
    try:
        packages = install([*export_requirements(SOURCE / "pyproject.toml"), bindings], CACHE)
    except subprocess.CalledProcessError as error:
        print(f"export_gpu.py: pip could not install {bindings} and the exporter's packages: {error}", file=sys.stderr)
        return EXIT_MISSING
    command = export_command(options)
    os.chdir(SOURCE)
    return os.execve(command[0], command, environment(packages, os.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

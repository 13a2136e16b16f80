"""The tritonserver that `pip install nvidia-pytriton` brings, and the backend directory that it is given."""

import ctypes
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import tritonrepo
from tritonrepo.client.install import install_command
from tritonrepo.serve.errors import InstallationError

REMEDY = f"install it with: {install_command('serve')}"
ROOT = Path(tritonrepo.__file__).resolve().parent.parent
STAND_INS = Path(__file__).resolve().parent / "backends"
# What each backend's model.py imports; `python` is the backend that runs the other two.
BACKEND_PACKAGES = {"onnxruntime": "onnxruntime", "pytorch": "torch", "python": "numpy"}


@dataclass(frozen=True)
class Installation:
    """Where the parts of the embedded Triton are.

    Attributes:
        server: The tritonserver program.
        backend: Directory of libtriton_python.so and triton_python_backend_utils.py.
        stub: The Python backend's stub for the Python that runs us.
        libraries: Directories for LD_LIBRARY_PATH: Triton's libraries and libpython.
    """

    server: Path
    backend: Path
    stub: Path
    libraries: tuple[Path, ...]

    def lay_out_backends(self, directory: Path) -> None:
        """Copy the Python backend and our stand-ins to the new `directory`; Triton refuses links out of it."""
        utilities = self.backend / "triton_python_backend_utils.py"
        parts: dict[str, tuple[Path, ...]] = {"python": (self.backend / "libtriton_python.so", utilities, self.stub)}
        parts |= {name: (STAND_INS / name / "model.py",) for name in ("onnxruntime", "pytorch")}
        for backend, files in parts.items():
            (directory / backend).mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy2(file, directory / backend)

    def environment(self) -> dict[str, str]:
        """The server's environment: its libraries, and our Python, which the stub finds by PATH.

        The stub's Python is isolated: PYTHONPATH and the like do not reach it. Vertex AI's variables stay behind:
        tritonserver would open a port for that service, and none for HTTP and gRPC.
        """
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AIP_")}
        return ours | {
            "LD_LIBRARY_PATH": prepend("LD_LIBRARY_PATH", *self.libraries),
            "PATH": prepend("PATH", Path(sys.executable).parent),
        }


def prepend(variable: str, *directories: Path) -> str:
    """Return a search path of the environment with directories before it."""
    return os.pathsep.join([*map(str, directories), *filter(None, [os.environ.get(variable)])])


def find_installation() -> Installation:
    """Find the embedded Triton of this Python environment.

    Raises:
        InstallationError: the package, its stub for this Python, libpython, or a numpy below 2 is missing.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise InstallationError(f"no tritonserver here: the package nvidia-pytriton is not installed; {REMEDY}")
    package = Path(spec.origin).parent
    require_numpy_below_2()
    installation = Installation(
        server=package / "tritonserver/bin/tritonserver",
        backend=package / "tritonserver/backends/python",
        stub=find_stub(package / "tritonserver/python_backend_stubs"),
        libraries=(package.parent / "nvidia_pytriton.libs", *find_libpython()),
    )
    for part in (installation.server, installation.backend / "libtriton_python.so", installation.libraries[0]):
        if not part.exists():
            raise InstallationError(f"the installed nvidia-pytriton is incomplete, {part} is missing; re{REMEDY}")
    return installation


def find_stub(stubs: Path) -> Path:
    """Return the Python backend's stub for the running Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = stubs / version / "triton_python_backend_stub"
    if not stub.exists():
        known = ", ".join(sorted((path.name for path in stubs.glob("3.*")), key=lambda name: int(name[2:]))) or "none"
        raise InstallationError(
            f"the embedded Triton has no Python {version} stub (it has: {known}); "
            "create the virtual environment with Python 3.10, 3.11 or 3.12"
        )
    return stub


def find_libpython() -> tuple[Path, ...]:
    """Return the directory of libpython, or nothing where the loader finds it by itself; the stub is linked with it."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    directory = Path(sysconfig.get_config_var("LIBDIR") or sys.base_prefix)
    if (directory / name).exists():
        return (directory,)
    try:
        ctypes.CDLL(name)
    except OSError:
        package = name.removesuffix(".so.1.0")
        raise InstallationError(
            f"{name} is missing, and the Python backend needs it; on Debian or Ubuntu: apt-get install {package}"
        ) from None
    return ()


def require_numpy_below_2() -> None:
    """Raise InstallationError unless numpy 1 is installed: with numpy 2 every output comes back empty."""
    try:
        version = importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        raise InstallationError(f"numpy is not installed; {REMEDY}") from None
    if int(version.split(".")[0]) >= 2:
        raise InstallationError(
            f"numpy {version} is installed, and with numpy 2 the embedded Triton returns every output empty; "
            "install an older one with: pip install 'numpy>=1.26,<2'"
        )

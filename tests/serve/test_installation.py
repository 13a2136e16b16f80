"""Finding the tritonserver that pip installs, and saying what is missing."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tritonrepo.serve.errors import InstallationError
from tritonrepo.serve.installation import Installation, find_installation, find_stub, require_numpy_below_2


def test_the_parts_are_where_it_says() -> None:
    installation = find_installation()
    assert os.access(installation.server, os.X_OK)
    assert os.access(installation.stub, os.X_OK)
    assert (installation.backend / "triton_python_backend_utils.py").is_file()
    assert all(directory.is_dir() for directory in installation.libraries)


def test_the_backends_are_copies_and_executable(tmp_path: Path) -> None:
    find_installation().lay_out_backends(tmp_path / "backends")
    files = sorted(str(path.relative_to(tmp_path / "backends")) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "onnxruntime/model.py",
        "python/libtriton_python.so",
        "python/triton_python_backend_stub",
        "python/triton_python_backend_utils.py",
        "pytorch/model.py",
    ]
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert os.access(tmp_path / "backends" / "python" / "triton_python_backend_stub", os.X_OK)


def test_the_environment_puts_ours_first_and_keeps_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/theirs")
    installation = find_installation()
    environment = installation.environment()
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep) == [*map(str, installation.libraries), "/theirs"]
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_vertex_ai_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """With AIP_MODE=PREDICTION tritonserver opens a port for Vertex AI, and none for HTTP and gRPC."""
    monkeypatch.setenv("AIP_MODE", "PREDICTION")
    monkeypatch.setenv("AIP_HTTP_PORT", "8080")
    assert not [name for name in find_installation().environment() if name.startswith("AIP_")]


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytriton", None)
    with pytest.raises(
        InstallationError, match=r"nvidia-pytriton is not installed; install it with: pip install .*\[serve\]"
    ):
        find_installation()


def test_an_incomplete_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "pytriton"
    package.mkdir()
    (package / "__init__.py").touch()
    stub = find_installation().stub
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pytriton", raising=False)
    with pytest.raises(InstallationError, match=r"has no Python 3\.\d+ stub \(it has: none\)"):
        find_installation()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    copy = package / "tritonserver" / "python_backend_stubs" / version / stub.name
    copy.parent.mkdir(parents=True)
    shutil.copy(stub, copy)
    with pytest.raises(InstallationError, match=r"incomplete, .*/bin/tritonserver is missing; reinstall it with: pip"):
        find_installation()


def test_a_python_without_a_stub(tmp_path: Path) -> None:
    for version in ("3.8", "3.10", "3.9"):
        (tmp_path / version).mkdir()
    with pytest.raises(InstallationError, match=r"it has: 3\.8, 3\.9, 3\.10\); create the virtual environment with"):
        find_stub(tmp_path)


@pytest.mark.parametrize("version", ["2.0.0", "2.4.1"])
def test_numpy_2_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    metadata = tmp_path / f"numpy-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InstallationError, match=rf"numpy {version} is installed.*every output empty.*pip install 'numpy"
    ):
        require_numpy_below_2()


def test_an_installation_is_immutable() -> None:
    assert Installation.__dataclass_params__.frozen  # type: ignore[attr-defined]

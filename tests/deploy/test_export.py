"""The script that runs the exporter inside the Triton image, as far as it goes without that image."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tomllib", reason="the script is for the image's Python 3.12, and needs 3.11 at least")

from tritonrepo.deploy import export_gpu

ROOT = Path(__file__).parents[2]


def test_the_version_comes_from_the_library_itself(tmp_path: Path) -> None:
    import tensorrt_rtx_libs

    # TensorRT for RTX stands in for TensorRT: the same functions tell the version.
    library = next(Path(tensorrt_rtx_libs.__file__).parent.glob("libtensorrt_rtx.so*"))
    (tmp_path / "libnvinfer.so.11").symlink_to(library)
    program = "from tritonrepo.deploy.export_gpu import find_tensorrt; print(find_tensorrt())"
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert importlib.metadata.version("tensorrt-rtx-cu12-libs").startswith(done.stdout.strip() + ".")


def test_bindings_match_library_and_cuda() -> None:
    assert export_gpu.bindings_requirement("11.4.0", "13.4.1.001") == "tensorrt-cu13-bindings==11.4.0.*"
    assert export_gpu.bindings_requirement("10.5.0", "12.6") == "tensorrt-cu12-bindings==10.5.0.*"


def test_requirements_are_those_of_the_project() -> None:
    requirements = export_gpu.export_requirements(ROOT / "pyproject.toml")
    assert any(name.startswith("torch>=") for name in requirements)
    assert any(name.startswith("numpy") for name in requirements)
    assert any(name.startswith("onnxruntime") for name in requirements)


@pytest.mark.slow
def test_packages_are_installed_once_for_each_set(tmp_path: Path) -> None:
    empty = export_gpu.install(["pip>=1"], tmp_path)
    assert (empty / "pip").is_dir()
    marker = empty / "marker"
    marker.touch()
    assert export_gpu.install(["pip>=1"], tmp_path) == empty
    assert marker.exists()
    assert list(tmp_path.glob("unfinished-*")) == []


def test_the_mounted_repository_is_the_default() -> None:
    assert export_gpu.export_command(["--formats", "tensorrt"])[1:] == [
        *("-m", "tritonrepo", "export", "--formats", "tensorrt", "--repository", "/repository-root/model_repository")
    ]
    assert export_gpu.export_command(["--repository=/elsewhere"])[1:] == [
        "-m",
        "tritonrepo",
        "export",
        "--repository=/elsewhere",
    ]


def test_installed_packages_go_before_the_images_own() -> None:
    environment = export_gpu.environment(Path("/packages"), {"PATH": "/bin", "PYTHONPATH": "/image"})
    assert environment["PYTHONPATH"] == os.pathsep.join(["/packages", str(ROOT / "src")])
    assert environment["PATH"] == "/bin"


def test_an_image_without_tensorrt_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    if export_gpu.find_tensorrt() is not None:
        pytest.skip("this machine has TensorRT's libraries, as a GPU host has")
    assert export_gpu.main([]) == 3
    assert "no TensorRT" in capsys.readouterr().err

"""`python -m export --formats ...,tensorrt` on a machine without a GPU: compiled, reported, not published."""

import json
from pathlib import Path

import pytest
import torch

from tritonrepo.cli.main import main
from tritonrepo.export.tensorrt import library

FACTORY = """
from tritonrepo.export import ModelSpec, Preprocessing
from tests.conftest import tiny_module


def tiny():
    labels = tuple(f"thing {index}" for index in range(10))
    return tiny_module(), ModelSpec("tiny", labels, preprocessing=Preprocessing(resize=36, crop=32), trained=False)


def sorting():
    import torch
    from torch import nn

    class Sorting(nn.Module):
        def __init__(self):
            super().__init__()
            self.tiny = tiny_module()

        def forward(self, images):
            return self.tiny(images) + torch.linalg.det(images[:, :, :3, :3]).mean(dim=1, keepdim=True)

    return Sorting(), tiny()[1]
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("quick_exports"),
    pytest.mark.skipif(
        torch.cuda.is_available(), reason="this machine has an NVIDIA GPU, and would publish the engine"
    ),
]


def export(directory: Path, *words: str, factory: str = "tiny") -> int:
    (directory / "factory.py").write_text(FACTORY)
    model = f"{directory}/factory.py:{factory}"
    return main(
        ["export", "--model", model, "--max-batch-size", "4", "--repository", str(directory / "repository"), *words]
    )


def published(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "repository").iterdir())


def test_the_others_are_published_and_the_engine_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, "--formats", "torchscript,onnx_fp16,tensorrt") == 0
    assert published(tmp_path) == ["tiny_onnx_fp16", "tiny_torchscript"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "(2 of 2" in printed
    assert "not published," in printed
    manifest = json.loads((tmp_path / "repository/tiny_onnx_fp16/1/manifest.json").read_text())
    assert manifest["precision"] == "FP16"
    assert manifest["verification"]["top1_agreement"] == 1.0
    assert "FP16 rounds to" in manifest["verification"]["tolerance_reason"]


def test_the_engine_alone_is_exit_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, "--formats", "tensorrt") == 3
    assert published(tmp_path) == []
    assert "nothing was published" in capsys.readouterr().out


def test_an_engine_that_does_not_compile_keeps_the_others_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, "--formats", "torchscript,tensorrt", "--workspace-mib", "1") == 1
    assert published(tmp_path) == []
    assert "raise it with --workspace-mib" in " ".join(capsys.readouterr().out.split())


def test_a_network_that_tensorrt_cannot_parse_is_refused_by_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, "--formats", "tensorrt", factory="sorting") == 1
    assert "(Det)" in capsys.readouterr().out


def test_the_compute_capability_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, "--formats", "tensorrt", "--compute-capability", "12.0") == 3
    assert export(tmp_path, "--formats", "tensorrt", "--compute-capability", "1.0") == 1
    assert "it knows 7.5" in " ".join(capsys.readouterr().out.split())


def test_without_a_compiler_it_ends_before_the_long_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "COMPILER", "a_compiler_that_is_not_installed")
    assert export(tmp_path, "--formats", "torchscript,tensorrt") == 3
    printed = capsys.readouterr()
    assert "tensorrt-check" in printed.err
    assert "convert" not in printed.err

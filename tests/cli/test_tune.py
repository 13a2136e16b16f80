"""`tritonrepo tune` as its users meet it, as far as no server is needed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.repository.releases import release
from tritonrepo.cli import arguments
from tritonrepo.cli.main import main

CONFIG = 'name: "net_onnx" backend: "onnxruntime" max_batch_size: 8\n'


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("45", 45), ("0.5m", 30), ("1.5", 1.5)]
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert arguments.duration(text) == seconds


@pytest.mark.parametrize("text", ["0s", "-1m", "ten", "m", "", "inf", "10 m x", "nan", "5d"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="such as 90s, 10m or 1h"):
        arguments.duration(text)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    release(root, b"one", CONFIG)
    return root


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["cat_onnx"], 2, "cat_onnx: no such model"),
        (["net_encoded"], 2, "takes image files as they are; tune the model that it stands on"),
        (["net_onnx", "--budget", "2000h"], 2, "a week at the most"),
        (["net_onnx", "--p95-ms", "inf"], 2, "95th percentile of inf ms"),
        (["net_onnx", "--repository", "/nowhere"], 2, "/nowhere: no such model repository"),
    ],
)
def test_wrong_words(
    models: Path, words: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--repository", str(models), *words]) == status
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG.replace("onnxruntime", "tensorrt"), "has no backend tensorrt to tune it in"),
        (CONFIG + "instance_group { count: 1 }\n" * 2, "has 2 instance groups"),
    ],
)
def test_a_model_that_cannot_be_tuned(
    tmp_path: Path, config: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release(tmp_path / "models", b"one", config)
    assert main(["tune", "net_onnx", "--repository", str(tmp_path / "models")]) == 2
    assert message in capsys.readouterr().err

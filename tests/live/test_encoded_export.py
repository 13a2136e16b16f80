"""`export --encoded`, and what a later export without the word does."""

from pathlib import Path

import pytest

from tritonrepo.cli.main import main
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.layout import read_config

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.usefixtures("quick_exports")]
WORDS = ["--model", "tests/factories.py:tiny", "--max-batch-size", "2"]


def pinned(models: Path) -> dict[str, int]:
    return {s.model_name: s.model_version for s in read_config(models / "tiny_encoded").ensemble_scheduling.step}


def test_the_ensemble_stands_on_the_fastest_format_and_follows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--repository", str(tmp_path / "models")]
    assert main(["export", *words, "--formats", "torchscript,onnx", "--encoded"]) == 0
    assert "tiny_encoded on tiny_onnx" in capsys.readouterr().out
    assert pinned(tmp_path / "models")["tiny_onnx"] == 1
    assert main(["export", *words, "--formats", "onnx", "--queue-delay-us", "100"]) == 0
    assert pinned(tmp_path / "models")["tiny_onnx"] == 2
    assert main(["export", *words, "--formats", "torchscript", "--encoded", "dali"]) == 0
    assert "tiny_encoded_dali on tiny_torchscript" in capsys.readouterr().out
    assert "resize_shorter=36" in (tmp_path / "models/tiny_encoded_dali_decode/1/dali.py").read_text()
    assert {one.level for one in examine_repository(tmp_path / "models", "26.11")} <= {"ok", "note"}


def test_a_format_that_is_not_exported_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--repository", str(tmp_path / "models"), "--formats", "onnx", "--encoded", "torchscript"]
    assert main(["export", *words]) == 2
    assert "--encoded torchscript: is not among --formats" in capsys.readouterr().err

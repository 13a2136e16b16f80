"""`tritonrepo tune` as its users meet it, as far as no server is needed."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.compare.tuning.outcomes import BEST, CELLS, NOW, TUNED
from tests.repository.releases import release
from tritonrepo.cli import arguments
from tritonrepo.cli.main import main
from tritonrepo.cli.tune import as_json, as_table, sentence
from tritonrepo.client.errors import MissingError
from tritonrepo.compare.tuning import tune as tuning
from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.outcome import UnwrittenError
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.verdict import hold

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


def test_a_model_that_no_export_made(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "net_onnx" / "1" / "manifest.json").unlink()
    assert main(["tune", "net_onnx", "--repository", str(models)]) == 2
    said = (
        f"{models}/net_onnx/1: manifest.json cannot be read: No such file or directory; tune takes what an export has"
    )
    assert said in " ".join(capsys.readouterr().err.split())


def test_lines_of_json() -> None:
    *rows, said = map(json.loads, as_json(TUNED))
    assert [row["marks"] for row in rows] == [["Pareto"], ["best", "Pareto"], ["now"]]
    assert rows[1]["images_per_second"] == pytest.approx(30)
    assert {key: rows[1][key] for key in ("model", "instances", "threads", "preferred_batch_sizes", "accelerator")} == {
        "model": "net_onnx",
        "instances": 2,
        "threads": 1,
        "preferred_batch_sizes": [2],
        "accelerator": "openvino",
    }
    assert (said["changed"], said["version"], said["measured"], said["seconds"]) == (True, 2, 4, 61.25)
    assert said["gain"][0] == pytest.approx(2.0)


def test_a_table() -> None:
    output = Console(width=140, file=StringIO())
    output.print(as_table(TUNED))
    assert isinstance(output.file, StringIO)
    shown = output.file.getvalue()
    assert "best, Pareto" in shown
    assert "500 ms" in shown
    assert "30.0 (29.8 to 30.2)" in shown


def test_what_came_of_it_is_said() -> None:
    assert sentence(TUNED, False).startswith("4 configurations in 61.2 s. net_onnx: 2 instances, 1 thread, delay 0 ms")
    assert sentence(TUNED, False).endswith("Written as version 2 of net_onnx.")
    unwritten = replace(TUNED, version=None)
    assert sentence(unwritten, True).endswith("Nothing is written (--dry-run).")
    other = replace(unwritten, present=Arm("net_tensorrt", Knobs()), own=BEST)
    assert "Clients that name no format ask net_tensorrt: name net_onnx." in sentence(other, False)
    assert sentence(other, False).endswith("That is how it stands: nothing is written.")
    worse = replace(unwritten, verdict=hold(CELLS[BEST], CELLS[NOW], None))
    assert "Nothing is changed" in sentence(worse, False)


def test_what_was_found_is_shown_though_it_cannot_be_written(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(*_: object, **__: object) -> None:
        raise UnwrittenError(MissingError("the disk is full"), replace(TUNED, version=None))

    monkeypatch.setattr(tuning, "tune", found)
    assert main(["tune", "net_onnx", "--repository", str(models)]) == 3
    said = capsys.readouterr()
    assert "30.0 (29.8 to 30.2)" in said.out
    assert "Nothing" not in said.out
    assert "net_onnx: 2 instances, 1 thread, delay 0 ms" in " ".join(said.err.split())
    assert "is better, and was not written: the disk is full" in " ".join(said.err.split())

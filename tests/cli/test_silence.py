"""What frameworks print while they convert and run artifacts does not reach the user; what goes wrong does."""

import re
import sys
from pathlib import Path

import pytest

from tests.exporting import fork
from tests.programs import on_a_terminal

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NO_MORE_THAN_STEPS = re.compile(
    r"(- [^\n]+: [^\n]+\n|- network and weights\n|(preprocessing|weights|classes|scores|labels|torchscript): [^\n]+\n)+"
)


def words(factory: str, formats: str, repository: Path) -> list[str]:
    model = f"{ROOT}/tests/factories.py:{factory}"
    options = ["--model", model, "--formats", formats, "--repository", str(repository), "--max-batch-size", "4"]
    return ["export", *options]


@pytest.mark.parametrize(
    ("factory", "formats", "reasons"),
    [
        (
            "data_dependent",
            "onnx,tensorrt",
            [r"ONNX: .* \(factories\.py, line \d+: if float\(x\.sum\(\)\) > 1e9:.*\)"] * 2,
        ),
        ("determinant", "tensorrt", [r"cannot parse model\.onnx, 1 error\(s\): node 'n0' \(Det\)"]),
        (
            "fixed_batch",
            "onnx_fp16,torchscript",
            ["onnx_fp16: fails on a batch of 1: .*Got invalid dimensions", "torchscript: fails on a batch of 1: "],
        ),
    ],
)
def test_a_refusal_is_one_sentence(factory: str, formats: str, reasons: list[str], tmp_path: Path) -> None:
    with fork(words(factory, formats, tmp_path / "models")) as running:
        done = running.end()
    assert done.status == 1
    assert NO_MORE_THAN_STEPS.fullmatch(done.errors), done.errors
    table, *errors, last = re.split(r"^(?:error: |(?=nothing was published))", done.output, flags=re.MULTILINE)
    for error, reason in zip(errors, reasons, strict=True):
        assert re.search(reason, error)
        assert len(error.splitlines()) == 1
        assert len(error) < 800
    assert len(last.splitlines()) == 1
    assert len(table.splitlines()) <= 6 + len(errors)


def test_every_way_to_write_is_silent_while_artifacts_are_made(tmp_path: Path) -> None:
    """In the step before, a module of the user's may still print: that is where its author looks for faults."""
    with fork(words("loud", "torchscript", tmp_path / "models"), together=True) as running:
        before, after = running.end().output.split("- torchscript: convert\n")
    calls, rest = divmod(before.count("NOISE"), 7)
    assert (calls > 0, rest) == (True, 0), before
    assert "NOISE" not in after
    assert "error: torchscript: fails on a batch of 1" in after


def test_a_terminal_still_sees_the_step_turn(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tritonrepo", *words("loud", "onnx", tmp_path / "models")]
    status, seen = on_a_terminal(command)
    assert status == 1
    after = seen.split("onnx: convert", 1)[1]
    assert after.count("onnx: convert") > 10, "the line stood still"
    assert "NOISE" not in after

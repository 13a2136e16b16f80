"""What a person sees of an export."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.repository.manifests import MANIFEST
from tritonrepo.cli import terminal
from tritonrepo.cli.export_table import Steps, after_words, table
from tritonrepo.cli.main import main
from tritonrepo.export.errors import ConversionError, NotPublishableError
from tritonrepo.export.outcome import Build, Outcome
from tritonrepo.repository.formats import ONNX, ONNX_FP16, TENSORRT, TORCHSCRIPT
from tritonrepo.repository.manifest import EagerFp16, Weights
from tritonrepo.repository.publish import Publication
from tritonrepo.repository.spec import ModelSpec

AS_IT_IS = "[red]:boom:[/]"


def shown(build: Build, capsys: pytest.CaptureFixture[str]) -> str:
    terminal.console(200).print(table(build))
    return capsys.readouterr().out


def test_each_format_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = (
        Outcome(
            ONNX, 8_000_000, 1.2, verification=MANIFEST.verification, publication=Publication(3, "published", (1,))
        ),
        Outcome(TORCHSCRIPT, 9_000_000, 0.3, error=ConversionError("no")),
        Outcome(TENSORRT, error=NotPublishableError("compiles: 12 layers; not published, needs a GPU")),
    )
    text = shown(Build(ModelSpec("net"), MANIFEST.weights, outcomes), capsys)
    rows = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.split()}
    assert rows["net,"] == "net, weights: seeded 0"
    assert rows["onnx"] == "onnx published v3, pruned v1 8.0 MB 1.0e-05 100.0% 1.2"
    assert rows["torchscript"] == "torchscript refused 9.0 MB - - 0.3"
    assert rows["tensorrt"].startswith("tensorrt compiles: 12 layers; not published, needs a GPU")
    assert "tolerance 1.0e-03" in text


def test_what_changed_and_what_is_to_be_done_is_said_below() -> None:
    changes = ("scores: logits -> probabilities", "labels: 10 -> 12")
    outcomes = (
        Outcome(ONNX, publication=Publication(3, "staged", changes=changes)),
        Outcome(TORCHSCRIPT, publication=Publication(2, "published", (), left=(1,))),
        Outcome(TENSORRT),
    )
    assert [*after_words(Build(ModelSpec("net"), MANIFEST.weights, outcomes))] == [
        "net_onnx v3 differs from the version before: scores: logits -> probabilities; labels: 10 -> 12",
        "net_onnx: not served yet; release it: tritonrepo release net_onnx --version 3 --server HOST:PORT",
        "net_torchscript: version 1 could not be removed; the next export tries again",
        "a server that does not poll takes it by: tritonrepo release net --server HOST:PORT",
    ]


def test_what_differs_and_what_proved_fp16_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    eager = EagerFp16("eager FP16 in PyTorch", 4, 3.6e-4, 2e-3, 1.0)
    verification = replace(MANIFEST.verification, scores="probabilities", eager_fp16=eager)
    text = shown(Build(ModelSpec("net"), MANIFEST.weights, (Outcome(ONNX_FP16, verification=verification),)), capsys)
    assert "differences are of the logarithms of probabilities; tolerance 1.0e-03" in text
    assert "eager FP16 in PyTorch: 4 pictures, worst difference 3.6e-04" in text


def test_words_of_the_user_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(TENSORRT, error=NotPublishableError(AS_IT_IS))
    text = shown(Build(ModelSpec("net"), Weights(f"file {AS_IT_IS}.pth", "0", True), (outcome,)), capsys)
    assert f"net, weights: file {AS_IT_IS}.pth" in text
    assert text.count(AS_IT_IS) == 2


@pytest.mark.parametrize("is_terminal", [True, False])
def test_steps_and_notices_are_shown_as_they_are(is_terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=100, markup=False, emoji=False, highlight=False)
    with Steps(console) as steps:
        steps.begin(f"step {AS_IT_IS}")
        steps.download(3, 10)
        steps.notice(f"notice {AS_IT_IS}")
    assert f"notice {AS_IT_IS}" in file.getvalue()
    if not is_terminal:
        assert file.getvalue() == f"- step {AS_IT_IS}\nnotice {AS_IT_IS}\n"


@pytest.mark.parametrize("option", ["--labels", "--images", "--weights", "--repository", "--model"])
def test_paths_in_messages_are_shown_as_they_are(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / AS_IT_IS.replace("/", "")
    words = {
        "--model": "tests/factories.py:tiny",
        "--formats": "torchscript",
        "--max-batch-size": "2",
        "--repository": str(tmp_path / "models"),
        option: f"{odd}.py:f" if option == "--model" else str(odd),
    }
    if option == "--repository":
        odd.write_text("a file")
    assert main(["export", *(word for pair in words.items() for word in pair)]) in (1, 2)
    assert "[red]:boom:[]" in capsys.readouterr().err

"""`python -m export` as its users meet it: statuses, messages, and a repository that keeps what it had."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import factories
from tests.exporting import fork
from tests.repository.releases import served
from tritonrepo.cli.main import main
from tritonrepo.export import to_torchscript
from tritonrepo.repository.layout import version_numbers

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_exports")]

ROOT = Path(__file__).parents[2]
FACTORIES = "tests/factories.py"
RAISING_LINE = factories.raises.__code__.co_firstlineno + 1


def export(repository: Path, factory: str, *more: str) -> int:
    words = ["--model", f"{FACTORIES}:{factory}", "--repository", str(repository), "--max-batch-size", "4", *more]
    return main(["export", *words])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_an_export_publishes_what_the_contract_says(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repository, "tiny") == 0
    said = capsys.readouterr()
    for word in ("torchscript", "onnx", "published v1", "100.0%", "untrained"):
        assert word in said.out
    for model, filename in (("tiny_torchscript", "model.pt"), ("tiny_onnx", "model.onnx")):
        assert sorted(path.name for path in (repository / model).iterdir()) == ["1", "config.pbtxt"]
        manifest = json.loads((repository / model / "1" / "manifest.json").read_text())
        assert manifest["artifact"]["file"] == filename
        assert manifest["artifact"]["bytes"] == (repository / model / "1" / filename).stat().st_size
        assert manifest["trained"] is False
        assert manifest["weights"]["source"] == "factory factories.py:tiny"
        assert manifest["verification"]["batch_sizes"] == [1, 3, 4]
        assert manifest["verification"]["top1_agreement"] == 1
        assert {"torch", "onnx", "onnxruntime", "python"} <= set(manifest["libraries"])


def test_a_second_process_finds_the_same_artifacts_unchanged(repository: Path) -> None:
    for status in ("published v1", "unchanged v1"):
        with fork(["export", "--model", f"{FACTORIES}:tiny", "--repository", str(repository)]) as running:
            done = running.end()
        assert done.status == 0, done.errors
        assert done.output.count(status) == 2
        assert "publish" in done.errors


def test_new_weights_make_a_new_version_and_rollback_withdraws_it(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(repository, "tiny", "--formats", "torchscript") == 0
    assert export(repository, "other_weights", "--formats", "torchscript") == 0
    assert version_numbers(repository / "tiny_torchscript") == [1, 2]
    assert main(["rollback", "tiny_torchscript", "--repository", str(repository)]) == 0
    assert served(repository, "tiny_torchscript") == [1]
    assert "version 1 is served again" in capsys.readouterr().err
    assert main(["rollback", "tiny_torchscript", "--repository", str(repository)]) == 1
    assert main(["rollback", "tiny_other", "--repository", str(repository)]) == 2


def test_a_staged_version_waits_and_says_what_changes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--formats", "torchscript")
    assert export(repository, "tiny", *words) == 0
    labels = repository.parent / "labels.txt"
    labels.write_text("".join(f"animal {index}\n" for index in range(factories.CLASSES)))
    assert export(repository, "tiny", *words, "--overlap", "--labels", str(labels)) == 1
    assert "cannot be loaded beside 1" in capsys.readouterr().err
    assert export(repository, "tiny", *words, "--stage", "--labels", str(labels)) == 0
    said = capsys.readouterr().out
    assert "staged v2" in said
    assert "tiny_torchscript v2 differs from the version before: labels: 10 of 10 differ, first class 0" in said
    assert "tritonrepo release tiny_torchscript --version 2" in said
    assert served(repository, "tiny_torchscript") == [1]
    assert export(repository, "other_weights", *words, "--overlap") == 0
    assert served(repository, "tiny_torchscript") == [1, 3]


@pytest.mark.parametrize(
    ("more", "words"), [(["--overlap"], "leave out --overlap"), (["--encoded"], "leave out --stage")]
)
def test_what_staging_excludes(
    repository: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(repository, "tiny", "--stage", *more) == 2
    assert words in capsys.readouterr().err
    assert not repository.exists()


def test_a_module_alone_takes_the_conventions(repository: Path) -> None:
    assert export(repository, "module_alone", "--formats", "torchscript", "--name", "mine") == 0
    assert (repository / "mine_torchscript" / "1" / "labels.txt").read_text().startswith("class 0\nclass 1\n")
    assert "dims: 224" in (repository / "mine_torchscript" / "config.pbtxt").read_text()


def test_a_checkpoint_and_labels_of_ones_own(repository: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": factories.network(9).state_dict()}, tmp_path / "nine.pth")
    (tmp_path / "labels.txt").write_text("".join(f"animal {index}\n" for index in range(factories.CLASSES)))
    more = ("--weights", str(tmp_path / "nine.pth"), "--labels", str(tmp_path / "labels.txt"))
    assert export(repository, "tiny", "--formats", "onnx", *more) == 0
    assert (repository / "tiny_onnx" / "1" / "labels.txt").read_text().startswith("animal 0\nanimal 1\n")
    manifest = json.loads((repository / "tiny_onnx" / "1" / "manifest.json").read_text())
    assert manifest["trained"] is True
    assert manifest["weights"]["source"] == "file nine.pth"


def test_averages_a_part_of_the_output_and_labels_of_a_csv(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a training run leaves them, in one command; each part comes with its origin before the first conversion."""
    checkpoint, labels = tmp_path / "last.pth.tar", tmp_path / "classes.csv"
    raw, averages = (
        {f"network.{key}": value for key, value in factories.network(seed).state_dict().items()} for seed in (8, 9)
    )
    args = argparse.Namespace(lr=0.1)
    torch.save({"state_dict": raw, "state_dict_ema": averages, "args": args, "epoch": 3}, checkpoint)
    rows = [f"{index},animal {index}\n" for index in reversed(range(factories.CLASSES))]
    labels.write_text("".join(["index,name\n", *rows]))
    more = ("--weights", str(checkpoint), "--ema", "--output", "scores", "--labels", str(labels))
    assert export(repository, "parts", "--formats", "torchscript", *more) == 0
    said = capsys.readouterr().err.splitlines()
    reference = said.index("- reference: PyTorch on the verification pictures")
    first = "preprocessing: short side 36 (bilinear), crop 32, "
    assert any(line.startswith(first) and line.endswith("; from the ModelSpec of parts") for line in said[:reference])
    assert any(line.startswith("weights: file last.pth.tar, averaged weights below ") for line in said[:reference])
    assert said[reference - 2 : reference + 3] == [
        "classes: 10, the network's own",
        f"labels: those of --labels {labels}",
        "- reference: PyTorch on the verification pictures",
        "scores: logits, because they are neither probabilities nor their logarithms",
        "- torchscript: convert",
    ]
    assert "output: scores of the dict that the network returns, as --output says" in said
    assert (repository / "parts_torchscript" / "1" / "labels.txt").read_text().startswith("animal 0\nanimal 1\n")
    module = to_torchscript.load(repository / "parts_torchscript/1/model.pt")
    images = np.random.default_rng(0).random((2, 3, factories.SIDE, factories.SIDE), np.float32)
    with torch.no_grad():
        assert np.allclose(module(images), factories.network(9)(torch.from_numpy(images)).numpy(), atol=1e-6)


@pytest.mark.parametrize("factory", ["train_returns_nothing", "extra_state"])
def test_odd_but_right_modules_are_published(factory: str, repository: Path) -> None:
    assert export(repository, factory, "--formats", "torchscript") == 0


@pytest.mark.parametrize("name", ["my model.py", "2nd.py", "torch.py"])
def test_a_file_of_any_name_can_bring_a_model(name: str, repository: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text((ROOT / FACTORIES).read_text())
    words = ["--model", f"{tmp_path / name}:fixed_batch", "--formats", "torchscript", "--max-batch-size", "2"]
    assert main(["export", *words, "--repository", str(repository)]) == 1
    words[1] = f"{tmp_path / name}:tiny"
    assert main(["export", *words, "--repository", str(repository)]) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf" + b"x\n" * 10, ""),
        (b"x\r\n" * 10, ""),
        ("x\u2028y\n".encode() * 10, ""),
        (b"x\n" * 10 + b"\n", ""),
        (b"x\n" * 5 + b"\n" + b"x\n" * 4, "label 5 is ''"),
        (b"x\0y\n" * 10, "label 0 is 'x\\x00y'"),
        (b"x\x0by\n" * 10, "control characters"),
        (b"\xff\n" * 10, "in UTF-8"),
    ],
)
def test_label_files(
    content: bytes, message: str, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    more = ("--formats", "torchscript", "--labels", str(tmp_path / "labels.txt"))
    assert export(repository, "tiny", *more) == (2 if message else 0)
    assert message in capsys.readouterr().err
    if not message:
        written = (repository / "tiny_torchscript" / "1" / "labels.txt").read_bytes()
        assert written == content.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"").rstrip(b"\n") + b"\n"


def test_a_model_that_is_not_ours_keeps_all_back(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository.mkdir()
    (repository / "tiny_onnx").touch()
    assert export(repository, "tiny") == 1
    assert "move it away" in capsys.readouterr().err
    assert [path.name for path in repository.iterdir()] == ["tiny_onnx"]


@pytest.mark.parametrize("factory", ["fixed_batch", "data_dependent"])
def test_a_format_that_fails_keeps_the_others_back(
    factory: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(repository, factory) == 1
    said = capsys.readouterr().out
    assert "refused" in said
    assert "nothing was published" in said
    assert list(repository.iterdir()) == []


@pytest.mark.parametrize(
    ("factory", "more", "status", "message"),
    [
        ("raises", [], 2, f"RuntimeError at factories.py, line {RAISING_LINE}: no such file: weights.bin"),
        ("exits", [], 2, "SystemExit"),
        ("number", [], 2, "returned an object of type int, expected a torch.nn.Module"),
        ("triple", [], 2, "returned a tuple (Sequential, ModelSpec, int), expected"),
        ("nothing", [], 2, "defines no function 'nothing'"),
        ("one_label_short", [], 2, "9 labels for a model of 10 classes"),
        ("not_a_number", [], 1, "7.bias holds NaN"),
        ("without_data", [], 2, "its parameters cannot be read"),
        ("lazy", [], 2, "its parameters cannot be read"),
        ("other_layout", [], 2, "gives NHWC FP32"),
        ("half_precision_input", [], 2, "gives NCHW FP16"),
        ("surrogate", [], 2, "label 9 is"),
        ("tiny", ["--name", "n" * 201], 2, "at most 200"),
        ("features", [], 1, "expected float32 [1, classes]"),
        ("tiny", ["--weights", "ngc"], 2, "is for the networks that we know"),
        ("tiny", ["--weights", "nowhere.pth"], 1, "nowhere.pth: no such checkpoint file"),
        ("tiny", ["--labels", "LICENSE"], 2, "LICENSE: label"),
        ("tiny", ["--labels", "docs"], 2, "--labels docs: 1 labels for a model of 10 classes"),
        ("tiny", ["--classes", "7"], 2, "return a network of 7 classes"),
        ("tiny", ["--ema"], 2, "--ema: takes the averaged weights of a checkpoint"),
        ("tiny", ["--output", "logits"], 2, "the network returns a Tensor alone"),
        ("parts", [], 2, "features (float32 [2, 10]), scores (float32 [2, 10]); none is named logits, and 2 of them"),
        ("parts", ["--output", "x"], 2, "there is no such part"),
        (
            "beyond_half",
            ["--formats", "onnx,onnx_fp16"],
            1,
            "the weight of the layer 7 (Linear) holds -70,000, and FP16",
        ),
        ("tiny", ["--labels", "nowhere.txt"], 2, "--labels nowhere.txt cannot be read"),
        ("tiny", ["--name", "../tiny"], 2, "model name '../tiny'"),
        ("tiny", ["--images", "nowhere"], 2, "nowhere: not a directory"),
        ("tiny", ["--images", "model_repository"], 2, "holds no image"),
    ],
)
def test_bad_words_and_models_are_named(
    factory: str, more: list[str], status: int, message: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(repository, factory, *more) == status
    said = capsys.readouterr()
    assert message in " ".join((said.err + said.out).split())
    assert "Traceback" not in said.err + said.out
    assert list(repository.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--model", "vgg16"], 2, "take one of resnet50, resnext101_32x4d, se_resnext101_32x4d"),
        (["--model", "nowhere.py:build"], 2, "no such file"),
        (["--model", "resnet50", "--weights", "seeded:x"], 2, "the seed is a whole number"),
    ],
)
def test_unknown_models(
    words: list[str], status: int, message: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *words, "--repository", str(repository)]) == status
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--formats", "coreml"], "unknown format 'coreml'; known: torchscript, pt2, onnx"),
        (["--formats", ","], "unknown format"),
        (["--max-batch-size", "0"], "give a whole number from 1"),
        (["--max-batch-size", "many"], "give a whole number from 1"),
        (["--compute-capability", "abc"], "give it as in 8.9"),
        (["--keep", "0"], "give a whole number from 1"),
        (["--queue-delay-us", "-5"], "give a whole number from 0"),
        (["--no-such-option"], "unrecognized arguments"),
    ],
)
def test_the_parser_says_what_it_takes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["export", *words])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_repository_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("precious")
    assert export(tmp_path / "file", "tiny") == 2
    assert "is not a directory" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "precious"


def test_a_directory_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert export(Path("/proc/models"), "tiny") == 3
    assert "cannot write to the repository /proc/models" in capsys.readouterr().err


def test_ngc_out_of_reach_fails_with_the_remedy(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a proxy that is not there, so that the answer is the same wherever the test runs."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("no_proxy", raising=False)
    assert main(["export", "--repository", str(repository)]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot download https://api.ngc.nvidia.com" in said
    assert "--weights PATH" in said
    assert list(repository.iterdir()) == []

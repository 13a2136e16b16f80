"""Odd models behind the embedded Triton, and what the commands say of odd answers, pictures and files of results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.conftest import ShortLived
from tests.live.releases import LETTERS, Release
from tritonrepo.cli.main import main
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import ContractError, UsageError
from tritonrepo.client.options import Options
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
NET = Release(32, 0.5, LETTERS)
MULTI_LABEL = Release(32, 0.5, LETTERS, scale=0.3)
FORMULAS = ("=1+2", "+beta", "-3.5", "@delta", "epsilon")


def write_onnx(path: Path, weights: NDArray[np.float32], types: tuple[int, int], side: int | str) -> None:
    """Mean of each channel times `weights`, in FP32 between tensors of these types; beside it the means themselves."""
    x = helper.make_tensor_value_info("INPUT__0", types[0], ["n", 3, side, side])
    y = helper.make_tensor_value_info("OUTPUT__0", types[1], ["n", weights.shape[1]])
    means = helper.make_tensor_value_info("MEANS", TensorProto.FLOAT, ["n", 3])
    nodes = [
        helper.make_node("Cast", ["INPUT__0"], ["exact"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["exact"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["MEANS"]),
        helper.make_node("MatMul", ["MEANS", "weights"], ["scores"]),
        helper.make_node("Cast", ["scores"], ["OUTPUT__0"], to=types[1]),
    ]
    graph = helper.make_graph(nodes, "net", [x], [means, y], [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.parent.mkdir(parents=True)
    onnx.save_model(model, str(path))


def add(repository: Path, name: str, labels: bytes, *changes: tuple[str, str], **how: object) -> None:
    weights = how.get("weights", NET.weights())
    types = how.get("types", (TensorProto.FLOAT, TensorProto.FLOAT))
    write_onnx(repository / name / "1" / "model.onnx", weights, types, how.get("side", 32))  # type: ignore[arg-type]
    config = NET.config().replace("net_onnx", name)
    for old, new in changes:
        assert old in config
        config = config.replace(old, new)
    (repository / name / "config.pbtxt").write_text(config)
    (repository / name / "labels.txt").write_bytes(labels)


def spoilt(value: float, columns: slice) -> NDArray[np.float32]:
    weights = NET.weights()
    weights[:, columns] = value
    return weights


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository, plain = tmp_path_factory.mktemp("answers") / "models", "\n".join(LETTERS).encode()
    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    half_input = (("TYPE_FP32 dims: [ 3", "TYPE_FP16 dims: [ 3"), (r"\"FP32\"", r"\"FP16\""))
    add(repository, "plain", plain)
    add(repository, "half_input", plain, *half_input, types=(half, single))
    add(repository, "half", plain, *half_input, ("TYPE_FP32 dims: [ 5 ]", "TYPE_FP16 dims: [ 5 ]"), types=(half, half))
    add(repository, "any_side", plain, ("[ 3, 32, 32 ]", "[ 3, -1, -1 ]"), side="side")
    add(repository, "blanks", "\ufeffalpha  \r\n beta\r\ngamma\t\r\ndelta\r\nepsilon \r\n\r\n".encode())
    add(repository, "formulas", "\n".join(FORMULAS).encode())
    second = ("output {", 'output { name: "MEANS" data_type: TYPE_FP32 dims: [ 3 ] }\noutput {')
    add(repository, "second_output", plain, second)
    unlabelled = second, (' label_filename: "labels.txt"', "")
    add(repository, "unlabelled", plain, *unlabelled)
    add(repository, "nan", plain, weights=spoilt(np.nan, slice(None)))
    add(repository, "one_nan", plain, weights=spoilt(np.nan, slice(2, 3)))
    add(repository, "infinite", plain, weights=spoilt(np.inf, slice(1, 2)))
    independent = 'parameters { key: "scores" value { string_value: "independent" } }\ninstance_group'
    add(repository, "multi_label", plain, ("instance_group", independent), weights=MULTI_LABEL.weights())
    with ShortLived(repository) as server:
        yield server


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright, so that every mean is above that of the preprocessing."""
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    values = np.random.default_rng(0).integers(140, 250, (40, 48, 3), dtype=np.uint8)
    values[..., 1] -= 5
    values[..., 2] -= 9
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("model", ["plain", "half_input", "half", "any_side", "blanks", "second_output"])
def test_scores_and_labels_are_the_models(server: TritonServer, picture: Path, model: str, protocol: str) -> None:
    url = server.grpc_url if protocol == "grpc" else server.http_url
    labels = LETTERS if model == "half" else None
    with Classifier(url, model, connection=Connection(protocol), labels=labels) as classifier:
        (result,) = classifier.classify([picture], Options(top=5))
    scores = {prediction.label: prediction.score for prediction in result.predictions}
    assert scores == pytest.approx(NET.expected(picture), abs=4e-3 if "half" in model else 1e-4)


def test_half_scores_have_no_names_from_the_server(
    server: TritonServer, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(picture), "--url", server.grpc_url, "--model", "half"]
    with Classifier(server.grpc_url, "half") as classifier, pytest.raises(ContractError, match="--labels FILE"):
        classifier.labels()
    refusal = pytest.raises(UsageError, match="FP16, of which Triton picks no best classes")
    with Classifier(server.grpc_url, "half", labels=LETTERS) as classifier, refusal:
        classifier.classify([picture], Options(server_top=True))
    assert main(words) != 0
    assert "--labels FILE" in "".join(capfd.readouterr())


def test_two_outputs_without_a_label_file_are_named(server: TritonServer) -> None:
    with pytest.raises(ContractError, match="has the outputs MEANS, OUTPUT__0, and 0 of them have labels"):
        Classifier(server.grpc_url, "unlabelled")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize(
    ("model", "choice"),
    [
        ("nan", []),
        ("nan", ["--server-top-n"]),
        ("nan", ["--server-top-n", "--top", "1"]),
        ("one_nan", []),
        ("one_nan", ["--server-top-n"]),  # with --top 1 a single NaN may stay with the server, unseen
        ("infinite", []),
        ("infinite", ["--server-top-n"]),
        ("infinite", ["--server-top-n", "--top", "1"]),
    ],
)
def test_nan_and_infinity_are_errors_however_they_come(
    server: TritonServer,
    picture: Path,
    capfd: pytest.CaptureFixture[str],
    model: str,
    choice: list[str],
    protocol: str,
) -> None:
    url = server.grpc_url if protocol == "grpc" else server.http_url
    words = ["classify", str(picture), "--url", url, "--protocol", protocol, "--model", model, "--format", "json"]
    status, out = main([*words, *choice]), capfd.readouterr().out

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    line = json.loads(out, parse_constant=refuse)
    assert status == 1
    assert line == {"image": str(picture), "error": "the model answered with NaN or infinity"}


def test_cells_that_a_spreadsheet_would_run_are_texts(
    server: TritonServer, tmp_path: Path, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "=cmd.png"
    image.write_bytes(picture.read_bytes())
    words = ["classify", str(image), "--url", server.grpc_url, "--model", "formulas", "--format", "csv"]
    assert main(words) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert {row["label"] for row in rows} == {"'=1+2", "'+beta", "-3.5", "'@delta", "epsilon"}
    assert {row["image"] for row in rows} == {str(image)}  # an absolute path begins with /
    assert main([*words, "--no-csv-escape"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert {row["label"] for row in rows} == set(FORMULAS)


@pytest.mark.parametrize("verb", ["classify", "evaluate"])
def test_pictures_that_are_left_out_are_counted_once(
    server: TritonServer, picture: Path, tmp_path: Path, verb: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set" / "alpha"
    folder.mkdir(parents=True)
    for name in ("a.heic", "b.HEIC", "c.dng", "d.cr2", "notes.txt", ".hidden.heic"):
        (folder / name).write_bytes(b"x")
    (folder / "picture.png").write_bytes(picture.read_bytes())
    assert main([verb, str(tmp_path / "set"), "--url", server.grpc_url, "--model", "plain"]) == 0
    errors = " ".join(capfd.readouterr().err.split())
    sentence = "4 files were left out: 2 .heic, 1 .dng, 1 .cr2. This client does not read these formats; convert them."
    assert errors.count("left out") == 1
    assert sentence in errors


@pytest.mark.parametrize("kind", ["nothing", "failures"])
def test_evaluate_of_nothing_knows_nothing(
    server: TritonServer, tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("image,label\n" + ("torn.png,alpha\n" if kind == "failures" else ""))
    (tmp_path / "torn.png").write_bytes(b"no image")
    words = ["evaluate", str(data), "--url", server.grpc_url, "--model", "plain", "--format", "json"]
    assert main([*words, "--min-top1", "0.5"]) == 1
    captured = capfd.readouterr()
    report = json.loads(captured.out)
    assert [report[name] for name in ("top1", "top1_interval", "top5", "top5_interval")] == [None] * 4
    assert report["failed"] == (kind == "failures")
    assert "plain: no image was classified, so nothing is known of its accuracy" in captured.err
    assert "below" not in captured.err


def test_results_of_another_model_or_other_options_are_not_added_to(
    server: TritonServer, picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"
    words = ["classify", str(picture), "--url", server.grpc_url, "--resume", str(results)]
    assert main([*words, "--model", "plain"]) == 0
    kept = results.read_bytes()
    for others in (["--model", "blanks"], ["--model", "plain", "--top", "2"], ["--model", "plain", "--decode", "fast"]):
        capfd.readouterr()
        assert main([*words, *others]) == 2
        assert f"{results} holds results of plain" in " ".join(capfd.readouterr().err.split())
        assert results.read_bytes() == kept
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\nthree\nfour\nfive\n")
    words += ["--model", "plain", "--labels", str(labels)]
    capfd.readouterr()
    assert main(words) == 2
    assert "by another contract or other labels" in " ".join(capfd.readouterr().err.split())
    assert results.read_bytes() == kept
    assert main([*words, "--redo"]) == 0
    assert "1 of its 1 results are done again: 1 by another contract or other labels" in capfd.readouterr().err
    assert {p["label"] for p in json.loads(results.read_text())["predictions"]} == set(labels.read_text().split())


def test_evaluate_goes_on_with_the_truth_of_today(
    server: TritonServer, picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The classes were mixed up in the csv, and one picture was taken out of it since."""
    data, outcomes = tmp_path / "data.csv", tmp_path / "outcomes.jsonl"
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(picture.read_bytes())
    words = ["evaluate", str(data), "--url", server.grpc_url, "--model", "plain", "--format", "json"]
    data.write_text("image,label\na.png,alpha\nb.png,alpha\nc.png,alpha\n")
    best = max(NET.expected(picture), key=NET.expected(picture).__getitem__)
    assert best != "alpha"
    assert main([*words, "--resume", str(outcomes)]) == 0
    assert json.loads(capfd.readouterr().out)["top1"] == 0
    data.write_text(f"image,label\na.png,{best}\nb.png,{best}\n")
    assert main([*words, "--resume", str(outcomes)]) == 0
    captured = capfd.readouterr()
    report = json.loads(captured.out)
    assert (report["images"], report["top1"]) == (2, 1.0)
    assert "1 outcomes of pictures that are not in" in " ".join(captured.err.split())


def test_of_a_multi_label_model_every_class_that_reaches_the_threshold_is_shown(
    server: TritonServer, picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Scores as they are: neither a softmax, nor the best N."""
    scores = sorted(MULTI_LABEL.expected(picture).items(), key=lambda item: -item[1])
    assert all(0 < score < 1 for _, score in scores)
    limit = (scores[2][1] + scores[3][1]) / 2
    page, words = tmp_path / "page.html", ["classify", str(picture), "--url", server.grpc_url, "--model", "multi_label"]
    words += ["--threshold", str(limit)]
    assert main([*words, "--format", "json"]) == 0
    line = json.loads(capfd.readouterr().out)
    assert line["scores"] == "independent"
    assert [one["label"] for one in line["predictions"]] == [label for label, _ in scores[:3]]
    for one, (_, score) in zip(line["predictions"], scores, strict=False):
        assert one["probability"] == one["score"] == pytest.approx(score, abs=1e-4)
    assert main([*words, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["label"] for row in rows] == [label for label, _ in scores[:3]]
    assert main([*words, "--gallery", str(page)]) == 0
    shown = capfd.readouterr().out
    assert "each class by itself" in shown
    assert [label in shown for label, _ in scores] == [True] * 3 + [False] * 2
    assert [f">{label}<" in page.read_text() for label, _ in scores] == [True] * 3 + [False] * 2
    assert main([*words[:-1], "1"]) == 0
    assert "no class reaches the threshold" in capfd.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, "--top", "3"])
    assert main([*words, "--server-top-n"]) == 2


def test_results_without_a_class_are_done(
    server: TritonServer, picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(picture), str(picture), "--url", server.grpc_url, "--model", "multi_label"]
    for name in ("results.jsonl", "results.csv"):
        path = tmp_path / name
        again = [*words, "--threshold", "1", "--resume", str(path)]
        assert main(again) == 0
        written = path.read_bytes()
        assert main(again) == 0  # of a csv file the last image is done again
        assert path.read_bytes() == written
        assert "0 could not be classified" in capfd.readouterr().err

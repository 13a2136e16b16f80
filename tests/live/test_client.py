"""The client against the embedded Triton: both protocols, the command line, hostile input."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY_LABELS
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier, Connection, Options, Result
from tritonrepo.client.errors import RequestError
from tritonrepo.client.preprocess import preprocess
from tritonrepo.client.transport import Inference, open_transport
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of many modes and shapes, and two files that are none."""
    directory = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(3)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (40 + number, 60, 3), dtype=np.uint8)).save(directory / f"{number:02}.png")
    for mode in ("L", "LA", "P", "RGBA", "CMYK", "I;16"):
        suffix = "tif" if mode == "CMYK" else "png"
        Image.new(mode, (50, 40)).save(directory / f"mode {mode.replace(';', '')}.{suffix}")
    Image.new("RGB", (1, 1)).save(directory / "one.png")
    Image.new("RGB", (30000, 1)).save(directory / "wide.png")
    (directory / "text.jpg").write_text("no image")
    (directory / "empty.jpg").touch()
    return directory


def address(server: TritonServer, protocol: str) -> list[str]:
    return ["--url", server.grpc_url if protocol == "grpc" else server.http_url, "--protocol", protocol]


def connect(server: TritonServer, protocol: str, model: str = "tiny_onnx") -> Classifier:
    url = server.grpc_url if protocol == "grpc" else server.http_url
    return Classifier(url, model, connection=Connection(protocol))


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_contract_comes_from_the_server(tiny_server: TritonServer, protocol: str) -> None:
    with connect(tiny_server, protocol) as classifier:
        assert classifier.labels() == TINY_LABELS
        assert (classifier.contract.max_batch_size, classifier.contract.trained) == (8, False)
        assert classifier.contract.preprocessing.shape == (3, 32, 32)


def test_results_come_in_order_and_are_the_models(tiny_server: TritonServer, pictures: Path, protocol: str) -> None:
    with connect(tiny_server, protocol) as classifier:
        results = list(classifier.classify([pictures], Options(batch_size=8)))
        assert [result.image for result in results] == [str(path) for path in sorted(pictures.iterdir())]
        assert {Path(r.image).name for r in results if r.error} == {"text.jpg", "empty.jpg"}
        for result in results:
            if not result.error:
                assert_alone(classifier, result)


def assert_alone(classifier: Classifier, result: Result) -> None:
    """The image sent by itself, and its softmax, give the same."""
    with Image.open(result.image) as image:
        tensor = preprocess(image, classifier.contract.preprocessing)
    logits = classifier.transport.infer(Inference(classifier.model, "INPUT__0", "OUTPUT__0", tensor[None])).values[0]
    assert result.predictions[0].index == logits.argmax()
    expected = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum()
    assert result.predictions[0].probability == pytest.approx(expected.max(), abs=1e-6)


def test_protocols_and_backends_agree(tiny_server: TritonServer, pictures: Path) -> None:
    answers = {}
    for protocol in ("grpc", "http"):
        for model in ("tiny_onnx", "tiny_torchscript"):
            with connect(tiny_server, protocol, model) as classifier:
                answers[protocol, model] = [
                    [p.probability or 0.0 for p in sorted(result.predictions, key=lambda p: p.index)]
                    for result in classifier.classify([pictures], Options(top=10))
                    if not result.error
                ]
    reference = answers.pop(("grpc", "tiny_onnx"))
    for answer in answers.values():
        np.testing.assert_allclose(answer, reference, atol=1e-6)


def test_json_is_as_documented(
    tiny_server: TritonServer, pictures: Path, protocol: str, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(pictures), "--model", "tiny_onnx", "--top", "3", "--format", "json"]
    assert main([*words, *address(tiny_server, protocol)]) == 1
    captured = capfd.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert len(lines) == 22
    by_name = {Path(line["image"]).name: line for line in lines}
    assert by_name["empty.jpg"].keys() == {"image", "error"}
    good = by_name["00.png"]
    assert list(good) == ["image", "model", "version", "predictions"]
    assert (good["model"], good["version"], len(good["predictions"])) == ("tiny_onnx", "1", 3)
    assert list(good["predictions"][0]) == ["index", "label", "probability", "score"]
    assert "untrained" in captured.err


def test_csv_has_a_row_for_each_prediction(
    tiny_server: TritonServer, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(pictures / "0*.png"), "--top", "2", "--format", "csv", *address(tiny_server, "grpc")]
    assert main(words) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert len(rows) == 20
    assert [row["rank"] for row in rows[:2]] == ["1", "2"]


def test_the_table_warns_and_names_what_failed(
    tiny_server: TritonServer, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(pictures), *address(tiny_server, "grpc")]) == 1
    out = capfd.readouterr().out
    assert out.index("untrained") < out.index("00.png")
    assert "text.jpg\n  error: not an image in a known format" in out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--model", "lion"], 2, "Ready: tiny_onnx, tiny_torchscript"),
        (["--batch-size", "9"], 2, "takes at most 8"),
        (["--url", "ftp://x:1"], 2, "Triton speaks gRPC and HTTP, not ftp"),
        (["--url", "127.0.0.1:1", "--timeout", "5"], 3, "tritonrepo serve"),
        (["--url", "127.0.0.1:1", "--protocol", "http"], 3, "tritonrepo serve"),
    ],
)
def test_wrong_words_and_missing_servers(
    tiny_server: TritonServer,
    pictures: Path,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    message: str,
) -> None:
    assert main(["classify", str(pictures), *address(tiny_server, "grpc"), *words]) == status
    captured = capfd.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_a_refused_request_is_named(tiny_server: TritonServer, protocol: str) -> None:
    url = tiny_server.grpc_url if protocol == "grpc" else tiny_server.http_url
    transport = open_transport(url, Connection(protocol))
    tensor = np.zeros((1, 3, 5, 5), np.float32)
    with pytest.raises(RequestError, match="unexpected shape"):
        transport.infer(Inference("tiny_onnx", "INPUT__0", "OUTPUT__0", tensor))
    transport.close()


def test_a_gallery_of_every_mode_is_written(
    tiny_server: TritonServer, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out.html"
    words = ["classify", str(pictures), "--gallery", str(page), "--format", "json", *address(tiny_server, "grpc")]
    assert main(words) == 1
    html = page.read_text()
    assert html.count("<article") == 22
    assert html.count("data:image/webp") == 20
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def dataset(pictures: Path, tmp_path: Path) -> Path:
    """Folders named by label and by index, with one file that is no image."""
    for folder, files in {"ant": ("00.png", "01.png", "02.png"), "3": ("03.png",), "fox: red": ("text.jpg",)}.items():
        (tmp_path / "set" / folder).mkdir(parents=True)
        for name in files:
            (tmp_path / "set" / folder / name).write_bytes((pictures / name).read_bytes())
    return tmp_path / "set"


def test_evaluate_counts_and_resumes(
    tiny_server: TritonServer, dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes = tmp_path / "outcomes.jsonl"
    words = ["evaluate", str(dataset), "--format", "json", "--resume", str(outcomes), *address(tiny_server, "grpc")]
    assert main(words) == 1
    first = capfd.readouterr()
    assert "text.jpg: not an image" in first.err
    reports = [json.loads(line) for line in first.out.splitlines()]
    assert [report["model"] for report in reports] == ["tiny_onnx", "tiny_torchscript"]
    kept = [json.loads(line) for line in outcomes.read_text().splitlines() if json.loads(line)["model"] == "tiny_onnx"]
    hits = sum(line.get("rank") == 1 for line in kept)
    assert (reports[0]["images"], reports[0]["failed"], reports[0]["top1"]) == (4, 1, hits / 4)
    whole = outcomes.read_bytes()
    outcomes.write_bytes(whole[: len(whole) // 3])
    assert main(words) == 1
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == reports
    assert sorted(outcomes.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_evaluate_can_gate(tiny_server: TritonServer, dataset: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (dataset / "fox: red" / "text.jpg").unlink()
    (dataset / "fox: red").rmdir()
    words = ["evaluate", str(dataset), "--model", "tiny_onnx", *address(tiny_server, "http")]
    assert main([*words, "--min-top1", "0"]) == 0
    assert main([*words, "--min-top1", "1"]) == 1
    assert "top-1 is below 1.0" in capfd.readouterr().err


def test_unreadable_files_and_directories_are_named(
    tiny_server: TritonServer, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        top.chmod(0o755)
        secret, closed = top / "secret.png", top / "closed"
        secret.write_bytes((pictures / "00.png").read_bytes())
        closed.mkdir()
        (closed / "inner.png").touch()
        for path in (secret, closed):
            path.chmod(0)
        words = ["classify", str(secret), str(closed), str(closed / "inner.png"), "--format", "json"]
        # The superuser may read everything, so take another user's rights for the time.
        superuser = os.geteuid() == 0
        if superuser:
            os.seteuid(65534)
        try:
            assert main([*words, *address(tiny_server, "grpc")]) == 1
        finally:
            if superuser:
                os.seteuid(0)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(line["image"], line["error"]) for line in lines] == [(w, "Permission denied") for w in words[1:4]]


def test_names_with_spaces_newlines_and_stray_bytes_survive(
    tiny_server: TritonServer, pictures: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    names = {b"with space.png", b"new\nline.png", b"caf\xe9.png"}
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes((pictures / "00.png").read_bytes())
    words = ["classify", str(tmp_path), *address(tiny_server, "grpc")]
    for format_ in ("json", "csv", "table"):
        assert main([*words, "--format", format_]) == 0
        out = capfdbinary.readouterr().out
        if format_ == "json":
            images = {os.fsencode(json.loads(line)["image"]) for line in out.splitlines()}
            assert images == {os.fsencode(tmp_path) + b"/" + name for name in names}
        elif format_ == "csv":
            assert b"/caf\xe9.png," in out
        else:
            assert rb"new\nline.png" in out
            assert rb"caf\xe9.png" in out

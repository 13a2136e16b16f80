"""Image files as they are, sent to the embedded Triton: decoded, prepared and named there as the client does it."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from PIL import Image

from tests.conftest import ShortLived, wait_until
from tests.live.releases import FIRST, MODEL, OTHERS, Release, draw_pictures
from tests.repository.manifests import manifest_of
from tritonrepo.cli.arguments import HEADERS_VARIABLE
from tritonrepo.cli.main import main
from tritonrepo.client import AsyncClassifier, Classifier, Connection
from tritonrepo.client.errors import ContractError, UsageError
from tritonrepo.client.server_key import HTTP_HEADER, key_headers
from tritonrepo.client.sources import Source
from tritonrepo.export.encoded.code import lay_out
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.encoded import Encoded
from tritonrepo.repository.publish import open_repository
from tritonrepo.serve.command import ModelControlMode
from tritonrepo.serve.door import Door
from tritonrepo.serve.guard import Guard
from tritonrepo.serve.ports import ADDRESS
from tritonrepo.serve.probe import make_request
from tritonrepo.serve.questions import exchange
from tritonrepo.serve.stubs import Stubs
from tritonrepo.serve.sync import Follower
from tritonrepo.serve.triton import TritonServer
from tritonrepo.ui.panel import Panel
from tritonrepo.ui.verdict import dissent

pytestmark = pytest.mark.live
ENCODED = "net_encoded"
SECOND = OTHERS["resize"]


def publish(repository: Path, release: Release) -> None:
    with open_repository(repository) as ours:
        artifact = ours.workspace(MODEL) / "model.onnx"
        release.write(artifact)
        candidate = Candidate(MODEL, artifact, release.config(), tuple(release.labels), manifest_of(artifact))
        code = lay_out(ours.workspace("code"), lambda _: None)
        ours.publish([candidate], 9, [Encoded(ENCODED, MODEL, code)])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoded") / "models"
    publish(path, FIRST)
    return path


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[TritonServer]:
    with ShortLived(models, door=Door()) as server:
        yield server


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of several sizes and formats."""
    drawn = draw_pictures(tmp_path_factory.mktemp("pictures"), 6)
    for number, path in enumerate(drawn[:3]):
        with Image.open(path) as image:
            image.resize((90 + 40 * number, 70)).save(path.with_suffix(".jpg"), quality=90)
    return sorted(drawn[0].parent.iterdir())


def infer(server: TritonServer, files: list[bytes], **options: Any) -> triton.InferResult:
    with triton.InferenceServerClient(server.grpc_url) as client:
        tensor = triton.InferInput("IMAGE", [len(files), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[file] for file in files], dtype=object))
        return client.infer(ENCODED, [tensor], **options)


def post(port: int, body: bytes) -> tuple[int, bytes]:
    """What `curl --data-binary` sends."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=30)
    headers = {"Inference-Header-Content-Length": "0", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST", f"/v2/models/{ENCODED}/infer", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def best(answer: triton.InferResult) -> list[Any]:
    return [json.loads(text) for text in answer.as_numpy("BEST").ravel()]


def bomb() -> bytes:
    """More pixels than are let through, in a few bytes."""
    return written(Image.new("1", (9500, 9500)), "PNG")


def slow() -> bytes:
    """A JPEG that may go over its pixels a hundred times."""
    return written(Image.new("L", (6000, 5000)), "JPEG") + b"\xff\xda" * 98


def many_scans() -> bytes:
    return written(Image.new("L", (64, 64)), "JPEG") + b"\xff\xda" * 101


def written(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def test_the_page_of_demo_ui_shows_it_beside_its_model_and_not_its_steps(
    server: TritonServer, pictures: list[Path]
) -> None:
    panel = Panel([server.grpc_url], Connection(), 1.0)
    sight = panel.look()
    assert (list(sight.models), sight.left_out) == ([ENCODED, MODEL], {})
    for path in pictures[:2]:
        first, second = (panel.ask(name, Source(path.name, path.read_bytes())) for name in sight.models)
        assert [one.label for one in first.result.predictions] == [one.label for one in second.result.predictions]
        assert dissent([first, second]) == frozenset()
    panel.close()


def test_the_scores_are_those_of_the_client_bit_for_bit(server: TritonServer, pictures: list[Path]) -> None:
    with Classifier(server.grpc_url, model=MODEL) as classifier:
        results = list(classifier.classify(pictures))
        labels = classifier.labels()
    for path, result in zip(pictures, results, strict=True):
        assert result.error is None
        answer = infer(server, [path.read_bytes()])
        found = dict(zip(labels, answer.as_numpy("OUTPUT__0")[0].tolist(), strict=True))
        assert {one.label: one.score for one in result.predictions} == {
            one.label: found[one.label] for one in result.predictions
        }
        named = [(one["label"], one["index"], one["probability"]) for one in best(answer)[0]]
        assert named == [(one.label, one.index, one.probability) for one in result.predictions]


def test_one_post_of_a_file_through_the_guard_gets_labels_back(server: TritonServer, pictures: list[Path]) -> None:
    with Guard(lambda: (server.http_url, server.key), Door(), 0) as guard:
        status, body = post(guard.port, pictures[0].read_bytes())
        assert status == 200
        named = json.loads(body[body.rindex(b'[{"label"') :])
        expected = FIRST.expected(pictures[0])
        assert [one["label"] for one in named] == sorted(expected, key=expected.__getitem__, reverse=True)
        status, body = post(guard.port, b"\xff\xd8 no picture")
        assert status == 400
        assert b"not an image in a known format" in body


def test_the_line_of_the_readme_prints_the_labels(server: TritonServer, pictures: list[Path]) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    (line,) = re.findall(r"^    (curl -s --data-binary.*\\\n.*)$", text, re.MULTILINE)
    for old, new in (
        ("cat.jpg", str(pictures[0])),
        ("localhost:8000", server.http_url),
        ("resnext101_32x4d_encoded", ENCODED),
        ("curl -s", f"curl -s -H '{HTTP_HEADER}: {server.key}'"),
    ):
        assert old in line
        line = line.replace(old, new)
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    expected = FIRST.expected(pictures[0])
    assert json.loads(done.stdout)[0]["label"] == max(expected, key=expected.__getitem__)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: b"", "empty file"),
        (lambda: b"no picture", "not an image in a known format"),
        (bomb, "decompression bomb: 9500x9500"),
        (slow, "s to decode, more than the 5 s that are allowed"),
        (many_scans, "scans, more than the 100"),
    ],
)
def test_what_the_client_refuses_is_refused(server: TritonServer, make: Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(triton.InferenceServerException, match=sentence):
        infer(server, [make()])


def test_a_broken_file_fails_alone_among_requests_that_are_batched(server: TritonServer, pictures: list[Path]) -> None:
    files = [path.read_bytes() for path in pictures] * 4
    files[5] = files[17] = b"no picture"

    def send(file: bytes) -> Any:
        try:
            return best(infer(server, [file]))[0][0]["label"]
        except triton.InferenceServerException as exc:
            return exc.message()

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(send, files))
    assert [number for number, one in enumerate(found) if one not in FIRST.labels] == [5, 17]
    assert "not an image in a known format" in found[5]


def test_a_broken_file_fails_alone_in_a_request_of_several(server: TritonServer, pictures: list[Path]) -> None:
    answer = infer(server, [pictures[0].read_bytes(), b"no picture", pictures[1].read_bytes()])
    first, second, third = best(answer)
    assert second == {"error": "not an image in a known format"}
    assert np.isneginf(answer.as_numpy("OUTPUT__0")[1]).all()
    for one, path in ((first, pictures[0]), (third, pictures[1])):
        expected = FIRST.expected(path)
        assert one[0]["label"] == max(expected, key=expected.__getitem__)


def test_triton_names_its_classes(server: TritonServer, pictures: list[Path]) -> None:
    wanted = [triton.InferRequestedOutput("OUTPUT__0", class_count=5)]
    entries = infer(server, [pictures[0].read_bytes()], outputs=wanted).as_numpy("OUTPUT__0")[0]
    assert {entry.decode().split(":")[2] for entry in entries} == set(FIRST.labels)


def test_the_client_takes_the_model_unless_the_ensemble_is_named(server: TritonServer) -> None:
    with Classifier(server.grpc_url) as classifier:
        assert classifier.contract.name == MODEL
    with Classifier(server.grpc_url, model=ENCODED) as classifier:
        assert classifier.contract.encoded
        assert tuple(classifier.labels()) == tuple(FIRST.labels)


@pytest.mark.parametrize("step", ["net_encoded_decode", "net_encoded_rank"])
def test_a_step_is_refused_with_the_model_to_ask(server: TritonServer, step: str) -> None:
    with pytest.raises(ContractError, match=f"takes image files as they are.*{MODEL}"):
        Classifier(server.grpc_url, model=step)


def test_files_do_not_go_through_shared_memory(server: TritonServer) -> None:
    with pytest.raises(UsageError, match="takes image files, which do not go through shared memory"):
        Classifier(server.grpc_url, model=ENCODED, shared_memory=True)


@pytest.mark.parametrize(("protocol", "size"), [("grpc", "1"), ("grpc", "4"), ("http", "1"), ("http", "4")])
def test_classify_prints_what_it_prints_of_the_model_itself(
    server: TritonServer, pictures: list[Path], protocol: str, size: str, tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(HEADERS_VARIABLE, f"{HTTP_HEADER}: {server.key}")
    whole = written(Image.effect_noise((90, 60), 80).convert("RGB"), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_bytes(b"no picture")
    url = server.grpc_url if protocol == "grpc" else server.http_url
    words = [*map(str, pictures[:3]), str(tmp_path), str(pictures[3]), "--protocol", protocol, "--batch-size", size]

    def rows(model: str) -> list[dict[str, Any]]:
        assert main(["classify", *words, "--url", url, "--model", model, "--format", "json"]) == 1
        return [{**json.loads(line), "model": ""} for line in capfd.readouterr().out.splitlines()]

    found = rows(ENCODED)
    assert found == rows(MODEL)
    assert [row["error"].partition(":")[0] for row in found if "error" in row] == [
        "damaged image",
        "not an image in a known format",
    ]
    assert len([row for row in found if "predictions" in row]) == 4


def test_evaluate_finds_the_accuracy_of_the_model_itself(
    server: TritonServer, pictures: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "truth.csv"
    labels = [FIRST.labels[number % len(FIRST.labels)] for number in range(len(pictures))]
    table.write_text("".join(["image,label\n", *(f"{p},{label}\n" for p, label in zip(pictures, labels, strict=True))]))
    names = f"{MODEL},{ENCODED}"
    assert main(["evaluate", str(table), "--url", server.grpc_url, "--model", names, "--format", "json"]) == 0
    plain, encoded = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert plain["model"] == MODEL
    assert encoded["images"] == len(pictures)
    assert 0 < encoded["top1"] < 1
    assert {key: value for key, value in encoded.items() if key not in ("model", "against")} == {
        key: value for key, value in plain.items() if key != "model"
    }


def test_asyncio_gets_the_same(server: TritonServer, pictures: list[Path]) -> None:
    async def ask() -> list[str]:
        async with AsyncClassifier(server.grpc_url, model=ENCODED) as classifier:
            return [result.predictions[0].label async for result in classifier.classify(pictures)]

    expected = [FIRST.expected(path) for path in pictures]
    assert asyncio.run(ask()) == [max(one, key=one.__getitem__) for one in expected]


def test_python_writes_nothing_into_a_repository_that_is_served(server: TritonServer, models: Path) -> None:
    assert server.ready_versions()[ENCODED] == ["1"]
    assert not list(models.rglob("*.pyc"))


@pytest.mark.parametrize("name", [ENCODED, "net_encoded_decode", "net_encoded_rank"])
def test_the_supervisors_question_is_answered(server: TritonServer, name: str) -> None:
    body, length = make_request(server.read_metadata(name))
    headers = {"Inference-Header-Content-Length": str(length), **key_headers(server.key)}
    status, answer = exchange(server.http_url, "POST", f"/v2/models/{name}/infer", body, headers, 30.0)
    expected = (200, b"BEST") if name.endswith("rank") else (400, b"empty file")
    assert status == expected[0]
    assert expected[1] in answer


def test_a_step_that_died_is_loaded_again_and_the_ensemble_with_it(server: TritonServer, pictures: list[Path]) -> None:
    stubs = Stubs(server.pid)
    stubs.refresh()
    stubs.kill(stubs.bury("net_encoded_decode"))
    server.unload("net_encoded_decode")
    server.load("net_encoded_decode")
    expected = FIRST.expected(pictures[0])
    assert best(infer(server, [pictures[0].read_bytes()]))[0][0]["label"] == max(expected, key=expected.__getitem__)


@pytest.mark.parametrize("mode", ["explicit", "poll"])
def test_a_release_and_a_rollback_change_the_preprocessing_with_the_model(
    mode: ModelControlMode, pictures: list[Path], tmp_path: Path
) -> None:
    """In each of the ways in which a server follows a repository."""
    models = tmp_path / "models"
    publish(models, FIRST)
    with ShortLived(models, model_control_mode=mode) as server:
        follower = Follower(server, print, threading.Lock())

        def check(version: str, release: Release) -> None:
            if mode == "explicit":
                follower.look()
            wait_until(lambda: server.ready_versions().get(ENCODED) == [version])
            for path in pictures:
                answer = infer(server, [path.read_bytes()])
                assert answer.get_response().model_version == version
                scores = answer.as_numpy("OUTPUT__0")[0].tolist()
                assert scores == pytest.approx(list(release.expected(path).values()), abs=2e-3)

        check("1", FIRST)
        publish(models, SECOND)
        check("2", SECOND)
        with open_repository(models) as repository:
            repository.roll_back([MODEL])
        check("3", FIRST)

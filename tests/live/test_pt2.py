"""AOTInductor packages, compiled by the exporter: verified, examined, and served."""

import json
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray
from PIL import Image

from tests import factories
from tests.conftest import ShortLived
from tests.live.releases import draw_pictures
from tests.serve.models import configuration, tensor
from tritonrepo.cli.main import main
from tritonrepo.client.preprocess import preprocess
from tritonrepo.export import to_pt2
from tritonrepo.export.pixels import FromPixels
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.repository.package import PackageFacts, read_facts
from tritonrepo.repository.record import own_text, record_text
from tritonrepo.serve.backends.pytorch.aoti import CompiledPackage
from tritonrepo.serve.sync import Follower
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]

LARGEST = 4
SIDE = factories.SIDE
WORDS = ("--model", "tests/factories.py:tiny", "--formats", "pt2", "--instances", "2")
TOGETHER = ("--max-batch-size", str(LARGEST), "--queue-delay-us", "5000000")
"""Requests wait for each other until there is a batch."""
ALONE = (("count: 2", "count: 1"), ("max_queue_delay_microseconds: 5000000", "max_queue_delay_microseconds: 0"))
"""What to change of a configuration so that one instance answers at once."""

Images = NDArray[np.float32]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Path:
    """tiny_pt2. Shared: copy it before changing it."""
    root = tmp_path_factory.mktemp("pt2") / "models"
    assert main(["export", "--repository", str(root), *WORDS, *TOGETHER]) == 0
    return root


@pytest.fixture(scope="module")
def package(repository: Path) -> Path:
    return repository / "tiny_pt2" / "1" / "model.pt2"


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Path:
    """A repository with pixels_pt2, which takes pixels."""
    root = tmp_path_factory.mktemp("pixels") / "models"
    words = ["--model", "tests/factories.py:tiny", "--name", "pixels", "--formats", "pt2", "--input", "uint8"]
    words += ["--cpu-isa", "native", "--max-batch-size", str(LARGEST), "--repository", str(root)]
    assert main(["export", *words]) == 0
    return root


@pytest.fixture(scope="module")
def server(repository: Path, pixels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """Both packages."""
    both = Path(shutil.copytree(repository, tmp_path_factory.mktemp("both") / "models"))
    shutil.copytree(pixels / "pixels_pt2", both / "pixels_pt2")
    with ShortLived(both) as running:
        yield running


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(0).standard_normal((LARGEST, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(images: Images) -> Images:
    with torch.no_grad():
        scores: Images = factories.network()(torch.from_numpy(images)).numpy()
    return scores


def infer(server: TritonServer, model: str, images: NDArray[np.float32]) -> Images:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        given = triton_grpc.InferInput("INPUT__0", list(images.shape), "FP32").set_data_from_numpy(images)
        scores: Images = client.infer(model, [given], client_timeout=60).as_numpy("OUTPUT__0")
    return scores


def unpacked() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("*aotinductor*"))


def test_it_says_what_it_was_compiled_for(package: Path) -> None:
    release = str(torch.__version__)
    wanted = PackageFacts("cpu", "AVX2", "", release, "x86-64-v3", LARGEST, f"FP32 [3, {SIDE}, {SIDE}]")
    assert read_facts(package) == wanted


def test_the_gate_ran_it_in_its_own_runtime(package: Path) -> None:
    verification = read_manifest(package.parent).verification
    assert verification.runtime == "AOTInductor in PyTorch"
    assert {1, LARGEST} <= set(verification.batch_sizes)
    assert verification.worst_absolute <= verification.tolerance
    assert list(package.parent.glob("tmp*")) == []


def test_the_doctor_knows_which_triton_batches_it(repository: Path) -> None:
    levels = {finding.level for finding in examine_repository(repository, "26.07")}
    assert levels == {"ok", "note"}
    (fault,) = [finding for finding in examine_repository(repository, "26.06") if finding.level == "fail"]
    assert (fault.subject, fault.text[:29]) == ("tiny_pt2/1", "Triton 26.06 does not batch p")


def test_two_instances_serve_it(server: TritonServer) -> None:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        (group,) = client.get_model_config("tiny_pt2").config.instance_group
    assert (group.count, group.kind) == (2, group.KIND_CPU)
    assert set(re.findall(r"tiny_pt2_0_\d", server.log())) >= {"tiny_pt2_0_0", "tiny_pt2_0_1"}


def test_requests_are_batched_and_get_their_own_rows(server: TritonServer, images: Images, expected: Images) -> None:
    def counts() -> tuple[int, int]:
        with triton_grpc.InferenceServerClient(server.grpc_url) as client:
            (statistics,) = client.get_inference_statistics("tiny_pt2").model_stats
        return statistics.inference_count, statistics.execution_count

    before = counts()
    with ThreadPoolExecutor(LARGEST) as pool:
        rows = list(pool.map(lambda i: infer(server, "tiny_pt2", images[i : i + 1]), range(LARGEST)))
    np.testing.assert_allclose(np.concatenate(rows), expected, atol=1e-5)
    inferences, executions = counts()
    assert (inferences - before[0], executions - before[1]) == (LARGEST, 1)


def test_it_is_loaded_again_and_leaves_nothing_unpacked(server: TritonServer, images: Images, expected: Images) -> None:
    server.load("tiny_pt2")
    np.testing.assert_allclose(infer(server, "tiny_pt2", images), expected, atol=1e-5)
    assert unpacked() == set()


def test_a_server_that_follows_tries_again_what_failed_and_loads_what_is_new_and_nothing_else(
    repository: Path, tmp_path: Path, images: Images, expected: Images
) -> None:
    versions = Path(shutil.copytree(repository / "tiny_pt2", tmp_path / "models" / "tiny_pt2"))
    for config in versions.rglob("config.pbtxt"):
        change(config, ALONE)
    whole = (versions / "1" / "model.pt2").read_bytes()
    (versions / "1" / "model.pt2").write_bytes(whole[:1000])
    with ShortLived(tmp_path / "models") as server:
        follower = Follower(server, lambda _: None, threading.Lock())
        follower.look()
        assert server.log().count('"loading: tiny_pt2:1') == 2
        assert "tiny_pt2" not in server.ready_versions()
        shutil.copytree(versions / "1", versions / "2")
        (versions / "2" / "model.pt2").write_bytes(whole)
        serve_version(versions, 2, own_labels=True)
        follower.look()
        assert server.ready_versions() == {"tiny_pt2": ["2"]}
        for size in (1, 3, LARGEST):
            np.testing.assert_allclose(infer(server, "tiny_pt2", images[:size]), expected[:size], atol=1e-5)
        follower.look()
        assert server.log().count('"loading: tiny_pt2:2') == 1
        (versions / "3").mkdir()
        (versions / "3" / "model.pt2").write_bytes(whole[:1000])
        serve_version(versions, 3, own_labels=False)
        follower.look()
        assert server.ready_versions() == {"tiny_pt2": ["2"]}
        (fault,) = [status.reason for status in server.models() if status.version == "3"]
        assert "is no AOTInductor package: it is no ZIP file, or is cut off" in fault


def change(path: Path, changes: Sequence[tuple[str, str]]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def serve_version(model: Path, version: int, *, own_labels: bool) -> None:
    """Let the record name a version, by the configuration of version 1."""
    record = model / "config.pbtxt"
    text = own_text((model / "1" / record.name).read_text(), version, own_labels=own_labels)
    record.write_text(record_text(text, (version,), range(1, version + 1), version))


def test_a_tensor_of_another_shape_is_an_error_and_not_read_beyond_its_end(package: Path) -> None:
    named = {"input": [tensor("INPUT__0", [3, 16, 16])], "output": [tensor("OUTPUT__0", [factories.CLASSES])]}
    loaded = CompiledPackage(package, configuration("pytorch", **named))
    wrong = {
        r"compiled for FP32 \[3, 32, 32\] an image, and was given FP32 \[3, 16, 16\]": torch.zeros(2, 3, 16, 16),
        r"was given UINT8 \[3, 32, 32\]": torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8),
        r"batches of 1 to 4, and was given 5": torch.zeros(LARGEST + 1, 3, SIDE, SIDE),
        r"batches of 1 to 4, and was given 0": torch.zeros(0, 3, SIDE, SIDE),
    }
    for words, given in wrong.items():
        with pytest.raises(ValueError, match=words):
            loaded.run({"INPUT__0": given})
    assert loaded.run({"INPUT__0": torch.zeros(2, 3, SIDE, SIDE)})[0].shape == (2, factories.CLASSES)


def test_a_package_is_no_program_to_export(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.toml").write_text("[preprocessing]\nresize = 36\ncrop = 32\n")
    words = ["--model", str(shutil.copy(package, tmp_path / "mine.pt2")), "--spec", str(tmp_path / "spec.toml")]
    assert main(["export", *words, "--repository", str(tmp_path / "models")]) == 2
    assert "mine.pt2: is a package that AOTInductor compiled" in capsys.readouterr().err


def test_a_package_takes_pixels(pixels: Path) -> None:
    package = pixels / "pixels_pt2/1/model.pt2"
    facts = read_facts(package)
    assert (facts.isa, facts.input) == ("native", f"UINT8 [{SIDE}, {SIDE}, 3]")
    run = to_pt2.load(package)
    given = np.random.default_rng(1).integers(0, 256, (LARGEST, SIDE, SIDE, 3), np.uint8)
    with torch.no_grad():
        wanted = FromPixels(factories.network(), factories.PREPROCESSING).eval()(torch.from_numpy(given)).numpy()
    for size in (1, 3, LARGEST):
        np.testing.assert_allclose(run(given[:size]), wanted[:size], atol=1e-5)


def test_pictures_are_classified_by_a_package_of_pixels(
    server: TritonServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pictures = draw_pictures(tmp_path, 5)
    words = ["--model", "pixels_pt2", "--url", server.grpc_url, "--format", "json"]
    assert main(["classify", str(tmp_path), *words]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["image"] for row in rows] == [str(path) for path in pictures]
    for row, path in zip(rows, pictures, strict=True):
        with Image.open(path) as image:
            tensor = torch.from_numpy(preprocess(image, factories.PREPROCESSING))[None]
        with torch.no_grad():
            scores = factories.network()(tensor)[0].numpy()
        found = {one["index"]: one["score"] for one in row["predictions"]}
        assert set(found) == set(np.argsort(-scores)[:5].tolist())
        assert list(found.values()) == pytest.approx([scores[index] for index in found], abs=1e-5)

"""What the exporter writes, in the real Triton: every configuration loads, also while exporters come and are killed."""

import random
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
import tritonclient.http
from PIL import Image

from tests.conftest import ShortLived
from tests.exporting import fork
from tests.kills.kill import is_writing
from tests.repository.releases import served
from tests.zoo.right import softmax_inside
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier, Connection
from tritonrepo.client.preprocess import preprocess
from tritonrepo.repository.layout import version_numbers
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
MODELS = ("single", "softmax_inside", "tuned")
KILLS = 6
LONGEST = 3.0
"""Seconds of an export, and more on a quiet machine."""
PHOTOGRAPHS = ("chelsea.png", "coffee.png", "camera.png", "rocket.jpg", "motorcycle_left.png")


def export(repository: Path, *words: str) -> None:
    assert main(["export", "--repository", str(repository), *words]) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, quick_exports: None) -> Iterator[TritonServer]:
    """The tiny network under every option that ends in config.pbtxt."""
    repository = tmp_path_factory.mktemp("exported") / "models"
    tuned = ("--queue-delay-us", "500", "--instances", "2", "--cpu-threads", "1", "--max-batch-size", "4")
    export(repository, "--model", "tests/factories.py:tiny", "--name", "tuned", *tuned)
    export(repository, "--model", "tests/factories.py:tiny", "--name", "single", "--max-batch-size", "1")
    export(repository, "--model", "tests/zoo/right.py:softmax_inside", "--max-batch-size", "2")
    with ShortLived(repository) as running:
        yield running


def test_every_configuration_loads(server: TritonServer) -> None:
    states = {status.name: (status.state, status.reason) for status in server.models()}
    names = [f"{model}_{format}" for model in MODELS for format in ("onnx", "torchscript")]
    assert states == dict.fromkeys(names, ("READY", ""))


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_a_softmax_inside_the_module_is_not_applied_again(server: TritonServer, format: str) -> None:
    photographs = [Path(str(files("skimage") / "data" / name)) for name in PHOTOGRAPHS]
    module, spec = softmax_inside()
    images = np.stack([preprocess(Image.open(path), spec.preprocessing) for path in photographs])
    with torch.inference_mode():
        wanted = module.eval()(torch.from_numpy(images)).amax(1)
    with Classifier(server.http_url, model=f"softmax_inside_{format}", connection=Connection("http")) as classifier:
        found = [result.predictions[0].probability for result in classifier.classify(photographs)]
    assert found == pytest.approx(wanted.tolist(), abs=1e-4)


def test_a_polling_server_takes_a_new_version_without_an_error(tmp_path: Path, quick_exports: None) -> None:
    """Poll mode, the least forgiving reader: whatever it finds, it tries to load at once."""
    repository = tmp_path / "models"
    tiny = ("--formats", "torchscript", "--max-batch-size", "4")
    export(repository, "--model", "tests/factories.py:tiny", *tiny)
    with ShortLived(repository, model_control_mode="poll", repository_poll_secs=1) as server:
        client = tritonclient.http.InferenceServerClient(server.http_url)
        export(repository, "--model", "tests/factories.py:other_weights", *tiny)
        deadline = time.monotonic() + 30
        while not client.is_model_ready("tiny_torchscript", "2"):
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.1)
        client.close()
        assert "failed to load" not in server.log()


def test_a_killed_exporter_leaves_a_repository_that_loads(tmp_path: Path, quick_exports: None) -> None:
    """Kills of the whole command: half of them anywhere in its run, half while it writes. `make kills` has 200."""
    repository, staging = tmp_path / "models", tmp_path / ".models.staging"
    words = ["--formats", "torchscript", "--max-batch-size", "2", "--repository", str(repository)]
    export(repository, "--model", "tests/factories.py:tiny", *words)
    moments = random.Random(7)
    with ShortLived(repository) as server:
        client = tritonclient.http.InferenceServerClient(server.http_url)
        for attempt in range(KILLS):
            factory = ("other_weights", "tiny")[attempt % 2]
            with fork(["export", "--model", f"tests/factories.py:{factory}", *words]) as running:
                if attempt % 2:
                    while running.process.is_alive() and not is_writing(str(staging), "tiny_torchscript"):
                        time.sleep(0.0005)
                    time.sleep(moments.uniform(0, 0.02))  # the moment of the kill, not a wait for anything
                else:
                    time.sleep(moments.uniform(0, LONGEST))
            (version,) = served(repository, "tiny_torchscript")
            server.load("tiny_torchscript")
            assert client.is_model_ready("tiny_torchscript", str(version))
        client.close()
    export(repository, "--model", "tests/factories.py:tiny", "--queue-delay-us", "7", *words)
    assert not staging.exists()
    assert len(version_numbers(repository / "tiny_torchscript")) <= 2

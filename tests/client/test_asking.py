"""Versions that come and go between a request and its answer, over a server that does what its script says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client import versions as versions_module
from tritonrepo.client.asking import Asker
from tritonrepo.client.errors import ModelUnavailableError, RequestError
from tritonrepo.client.options import Options
from tritonrepo.client.pipeline import Pipeline
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region
from tritonrepo.client.versions import LOOKS, Versions

GREY = Source("grey", Image.new("RGB", (40, 40), (128, 128, 128)))
LABELS = {"1": ("a", "b"), "2": ("b", "a"), "3": ("x", "y", "z")}
MEANS = {"1": 0.0, "2": 0.25, "3": 0.5}


class Changing:
    """A server with one version; `before` is called with the number of each inference, and may change it.

    The first class scores the mean of the tensor, the others less.
    """

    url = "changing"

    def __init__(self, before: Callable[[Changing, int], None] = lambda *_: None) -> None:
        self.version = "1"
        self.asked: list[Inference] = []
        self._before = before

    def _check(self, version: str) -> str:
        if version not in ("", self.version):
            raise ModelUnavailableError(f"version {version} is not found")
        return version or self.version

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        number = self._check(version)
        preprocessing = Preprocessing(8, 8, "bilinear", (MEANS[number],) * 3, (1.0,) * 3)
        return {
            "name": model,
            "max_batch_size": 8,
            "input": [{"name": "X", "data_type": "TYPE_FP32", "dims": [3, 8, 8]}],
            "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [len(LABELS[number])]}],
            "parameters": {"preprocessing": {"string_value": preprocessing.to_json()}},
        }

    def models(self) -> tuple[ModelStatus, ...]:
        return (ModelStatus("m", self.version, "READY"),)

    def infer(self, request: Inference) -> Answer:
        if not request.class_count:
            self._before(self, len(self.asked))
            self.asked.append(request)
        number = self._check(request.version)
        names = LABELS[number]
        if request.class_count:
            return Answer(np.array([f"{-i}:{i}:{name}".encode() for i, name in enumerate(names)]), number)
        if request.expected != len(request.tensor) * len(names):
            raise RequestError("another number of classes")
        means = request.tensor.mean(axis=(1, 2, 3))[:, None]
        return Answer((means - np.arange(len(names))).astype(np.float32), number)

    def server(self) -> dict[str, Any]:
        return {}

    def statistics(self, model: str) -> dict[str, Any]:
        return {}

    def register(self, region: Region, key: str) -> None: ...

    def unregister(self, region: Region) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions_module, "_FIRST_PAUSE", 0.0)


def classify(server: Changing, count: int = 1) -> list[Result]:
    options = Options(batch_size=1, concurrency=1, workers=1)
    return list(Pipeline(server, Versions(server, "m"), options).run([GREY] * count))


def assert_right(result: Result) -> None:
    assert result.error is None
    assert tuple(p.label for p in result.predictions) == LABELS[result.version]
    assert result.predictions[0].score == pytest.approx(128 / 255 - MEANS[result.version], abs=1e-5)


@pytest.mark.parametrize("to", ["2", "3"])
def test_a_version_that_takes_over_gets_images_of_its_own(to: str) -> None:
    def release(server: Changing, number: int) -> None:
        server.version = to if number >= 2 else "1"

    results = classify(Changing(release), 5)
    assert [result.version for result in results] == ["1", "1", to, to, to]
    for result in results:
        assert_right(result)


def test_a_version_that_is_gone_after_its_answer_has_not_answered() -> None:
    """Of the first answer's labels nobody can tell any more."""

    class Fleeting(Changing):
        def infer(self, request: Inference) -> Answer:
            answer = super().infer(request)
            self.version = "2"
            return answer

    server = Fleeting()
    (result,) = classify(server)
    assert result.version == "2"
    assert_right(result)


def test_a_version_that_is_gone_before_it_is_asked_again_is_not_asked_for_ever() -> None:
    """The second takes over, the third does before the images for the second are there."""

    def release(server: Changing, number: int) -> None:
        server.version = str(min(number + 1, 3))

    server = Changing(release)
    results = classify(server, 2)
    assert [result.version for result in results] == ["1", "3"]
    for result in results:
        assert_right(result)
    assert [request.version for request in server.asked] == ["", "", "2", "3"]


def test_what_the_version_itself_refuses_is_an_error_at_once() -> None:
    class Refusing(Changing):
        def infer(self, request: Inference) -> Answer:
            super().infer(request)
            raise RequestError("the model's own failure")

    server = Refusing()
    with pytest.raises(RequestError, match="own failure"):
        classify(server)
    assert len(server.asked) == 2  # once more, of that version by name


def test_versions_that_change_without_end_are_given_up() -> None:
    def release(server: Changing, number: int) -> None:
        server.version = "2" if server.version == "1" else "1"

    server = Changing(release)
    versions = Versions(server, "m")
    asker = Asker(server, versions, Options())
    tensor = np.zeros((1, 3, 8, 8), np.float32)
    with pytest.raises(ModelUnavailableError):
        asker.ask(tensor, [GREY], versions.current)
    assert len(server.asked) == LOOKS + 1

"""Versions that come and go between a request and its answer, over a server that does what its script says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client import versions as versions_module
from tritonrepo.client.errors import FileRefusedError, ModelUnavailableError, RequestError
from tritonrepo.client.failover import Servers
from tritonrepo.client.messages import TOO_LARGE, error
from tritonrepo.client.options import Options
from tritonrepo.client.pipeline import Pipeline
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region
from tritonrepo.client.versions import LOOKS, Versions

GREY = Source("grey", Image.new("RGB", (40, 40), (128, 128, 128)))
LABELS = {"1": ("a", "b"), "2": ("b", "a"), "3": ("x", "y", "z"), "4": ("a", "b")}
MEANS = {"1": 0.0, "2": 0.25, "3": 0.5, "4": 0.0}
"""The contract of the fourth version is that of the first."""


class Changing:
    """A server with one version; `before` is called with the number of each inference, and may change it.

    The first class scores the mean of the tensor, the others less.
    """

    url = "changing"

    def __init__(self, before: Callable[[Changing, int], None] = lambda *_: None) -> None:
        self.version = "1"
        self.asked: list[Inference] = []
        self.sent: list[tuple[str, float]] = []  # read at once: the tensors lie in buffers that are used again
        self._before = before

    def _check(self, version: str) -> str:
        if version not in self.ready():
            raise ModelUnavailableError(f"version {version} is not found")
        return version

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
            self.sent.append((request.version, float(request.tensor.mean())))
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
        return {"model_stats": [{"name": model, "version": version} for version in self.ready()]}

    def ready(self) -> tuple[str, ...]:
        return (self.version,)

    def register(self, region: Region, key: str) -> None: ...

    def unregister(self, region: Region) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions_module, "_FIRST_PAUSE", 0.0)


def classify(servers: Sequence[Changing], count: int = 1, wanted: str | None = None) -> list[Result]:
    """Also sees that no server was sent an image that was prepared for another version than the one that is named."""
    transport = Servers(servers)
    options = Options(batch_size=1, concurrency=1, workers=1)
    results = list(Pipeline(transport, Versions(transport, "m", wanted=wanted), options).run([GREY] * count))
    for server in servers:
        for version, mean in server.sent:
            assert mean == pytest.approx(128 / 255 - MEANS[version], abs=1e-5)
    return results


def assert_right(result: Result) -> None:
    assert result.error is None
    assert tuple(p.label for p in result.predictions) == LABELS[result.version]
    assert result.predictions[0].score == pytest.approx(128 / 255 - MEANS[result.version], abs=1e-5)


def test_a_prepared_image_that_is_refused_ends_the_run() -> None:
    def refuse(server: Changing, number: int) -> None:
        raise error(server.url, TOO_LARGE, "the body has more than 1 MiB")

    with pytest.raises(FileRefusedError, match="the body has more than 1 MiB"):
        classify([Changing(refuse)], 2)


@pytest.mark.parametrize("to", ["2", "3", "4"])
def test_a_version_that_takes_over_gets_images_of_its_own(to: str) -> None:
    def release(server: Changing, number: int) -> None:
        server.version = to if number >= 2 else "1"

    results = classify([Changing(release)], 5)
    assert [result.version for result in results] == ["1", "1", to, to, to]
    for result in results:
        assert_right(result)


def test_where_the_contracts_are_equal_nothing_is_prepared_again() -> None:
    def release(server: Changing, number: int) -> None:
        server.version = "4" if number else "1"

    server = Changing(release)
    assert [result.version for result in classify([server], 2)] == ["1", "4"]
    first, refused, again = server.asked
    assert (first.version, refused.version, again.version) == ("1", "1", "4")
    assert again.tensor is refused.tensor


def test_a_newer_version_is_asked_while_the_older_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions_module, "LOOK_SECONDS", 0.0)

    class Both(Changing):
        def ready(self) -> tuple[str, ...]:
            return ("1", "2") if len(self.asked) > 3 else ("1",)

    results = classify([Both()], 30)
    versions = [result.version for result in results]
    assert versions == sorted(versions)
    assert set(versions) == {"1", "2"}
    for result in results:
        assert_right(result)


def test_servers_with_different_versions_are_both_asked_each_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions_module, "LOOK_SECONDS", 0.0)
    one, two = Changing(), Changing()
    two.version = "3"
    results = classify([one, two], 60)
    assert {result.version for result in results} == {"1", "3"}
    for result in results:
        assert_right(result)


def test_a_version_that_is_gone_after_its_answer_has_not_answered() -> None:
    """Of the first answer's labels nobody can tell any more."""

    class Fleeting(Changing):
        def infer(self, request: Inference) -> Answer:
            answer = super().infer(request)
            self.version = "2"
            return answer

    (result,) = classify([Fleeting()])
    assert result.version == "2"
    assert_right(result)


def test_a_version_that_is_gone_before_it_is_asked_again_is_not_asked_for_ever() -> None:
    """The second takes over, the third does before the images for the second are there."""

    def release(server: Changing, number: int) -> None:
        server.version = str(min(number + 1, 3))

    server = Changing(release)
    results = classify([server], 2)
    assert [result.version for result in results] == ["1", "3"]
    for result in results:
        assert_right(result)
    assert [request.version for request in server.asked] == ["1", "1", "2", "3"]


def test_what_the_version_itself_refuses_is_an_error_at_once() -> None:
    class Refusing(Changing):
        def infer(self, request: Inference) -> Answer:
            super().infer(request)
            raise RequestError("the model's own failure")

    server = Refusing()
    with pytest.raises(RequestError, match="own failure"):
        classify([server])
    assert len(server.asked) == 1


def test_an_answer_in_another_versions_name_is_refused() -> None:
    class Careless(Changing):
        def infer(self, request: Inference) -> Answer:
            return replace(super().infer(request), version="2")

    with pytest.raises(RequestError, match="version 1 was asked, and 2 answered"):
        classify([Careless()])


def test_versions_that_change_without_end_are_given_up() -> None:
    def release(server: Changing, number: int) -> None:
        server.version = "2" if server.version == "1" else "1"

    server = Changing(release)
    with pytest.raises(ModelUnavailableError, match="faster than images can be prepared"):
        classify([server])
    assert len(server.asked) == LOOKS + 1


def test_the_wanted_version_is_asked_although_there_is_a_newer_one() -> None:
    class Both(Changing):
        def ready(self) -> tuple[str, ...]:
            return ("1", "2", "3")

    for wanted, version in (("1", "1"), ("2", "2")):
        assert {result.version for result in classify([Both()], 5, wanted)} == {version}


def test_the_wanted_version_that_goes_away_is_an_error_and_no_other_is_asked() -> None:
    def release(server: Changing, number: int) -> None:
        server.version = "4" if number >= 2 else "1"

    server = Changing(release)
    with pytest.raises(ModelUnavailableError, match="version 1 of m, which was asked for, is gone"):
        classify([server], 5, "1")
    assert {request.version for request in server.asked} == {"1"}


def test_a_wanted_version_that_is_not_there_is_an_error_at_once() -> None:
    server = Changing()
    with pytest.raises(ModelUnavailableError, match=r"version 7 of m is not ready. Ready: 1\."):
        Versions(Servers([server]), "m", wanted="7")

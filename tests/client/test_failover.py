"""Retries and failover, over transports that fail as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tritonrepo.client.errors import (
    ContractError,
    DeadlineError,
    ModelUnavailableError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
    VersionGoneError,
)
from tritonrepo.client.failover import Servers
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region

REQUEST = Inference("m", "INPUT__0", "OUTPUT__0", np.zeros((1, 3), np.float32))


def config(model: str, mean: float = 0.5) -> dict[str, Any]:
    preprocessing = Preprocessing(8, 8, "bilinear", (mean,) * 3, (1.0,) * 3)
    return {
        "name": model,
        "max_batch_size": 8,
        "input": [{"name": "INPUT__0", "data_type": "TYPE_FP32", "dims": [3, 8, 8]}],
        "output": [{"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": [2]}],
        "parameters": {"preprocessing": {"string_value": preprocessing.to_json()}},
    }


class ScriptedTransport:
    """A server that answers as its script says, and for ever as the last entry."""

    def __init__(self, url: str, script: Sequence[TritonRepoError | None] = (None,), ready: str = "1") -> None:
        self.url = url
        self.ready = ready
        self.asked = 0
        self._script = script

    def infer(self, request: Inference) -> Answer:
        if request.class_count:
            return Answer(np.array([b"0:0:cat", b"0:1:dog"]), "1")
        step = self._script[min(self.asked, len(self._script) - 1)]
        self.asked += 1
        if step is not None:
            raise step
        return Answer(np.zeros((1, 2), np.float32), self.url)

    def models(self) -> tuple[ModelStatus, ...]:
        self.infer(REQUEST)
        return (ModelStatus("m", "1", "READY"),)

    def server(self) -> dict[str, Any]:
        return {"name": self.url}

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        return config(model)

    def statistics(self, model: str) -> dict[str, Any]:
        return {"model_stats": [{"name": model, "version": self.ready}]}

    def register(self, region: Region, key: str) -> None: ...

    def unregister(self, region: Region) -> None: ...

    def close(self) -> None: ...


def test_requests_go_round() -> None:
    one, two = ScriptedTransport("one"), ScriptedTransport("two")
    servers = Servers([one, two])
    assert [servers.infer(REQUEST).version for _ in range(4)] == ["one", "two", "one", "two"]


def test_a_dead_server_costs_no_error_and_is_passed_over() -> None:
    dead, alive = ScriptedTransport("dead", [ServerUnavailableError("gone")]), ScriptedTransport("alive")
    servers = Servers([dead, alive])
    assert {servers.infer(REQUEST).version for _ in range(10)} == {"alive"}
    assert dead.asked == 1


@pytest.mark.parametrize("failure", [ServerUnavailableError("reset"), DeadlineError("slow")])
def test_what_may_pass_is_tried_again(failure: TritonRepoError) -> None:
    server = ScriptedTransport("one", [failure, failure, None])
    assert Servers([server]).infer(REQUEST).version == "one"
    assert server.asked == 3


def test_what_will_not_pass_is_not_tried_again() -> None:
    server = ScriptedTransport("one", [RequestError("invalid argument")])
    with pytest.raises(RequestError):
        Servers([server, ScriptedTransport("two")]).infer(REQUEST)
    assert server.asked == 1


def busy(seconds: float) -> ServerUnavailableError:
    failure = ServerUnavailableError("busy")
    failure.retry_after = seconds
    return failure


def test_a_server_that_says_when_to_come_again_is_left_alone_until_then() -> None:
    server = ScriptedTransport("one", [busy(0.8), None])
    begin = time.monotonic()
    assert Servers([server]).infer(REQUEST).version == "one"
    assert 0.8 <= time.monotonic() - begin < 3
    assert server.asked == 2


def test_the_others_do_its_work_meanwhile() -> None:
    shut, open_ = ScriptedTransport("shut", [busy(60)]), ScriptedTransport("open")
    servers = Servers([shut, open_])
    begin = time.monotonic()
    assert {servers.infer(REQUEST).version for _ in range(20)} == {"open"}
    assert time.monotonic() - begin < 2
    assert shut.asked == 1


def test_of_two_that_are_shut_the_first_to_open_is_asked() -> None:
    long, short = ScriptedTransport("long", [busy(60)]), ScriptedTransport("short", [busy(0.4), None])
    begin = time.monotonic()
    assert Servers([long, short]).infer(REQUEST).version == "short"
    assert 0.4 <= time.monotonic() - begin < 3
    assert (long.asked, short.asked) == (1, 2)


def test_who_would_have_to_wait_for_longer_than_the_patience_is_told_at_once() -> None:
    server = ScriptedTransport("one", [busy(3600)])
    begin = time.monotonic()
    with pytest.raises(ServerUnavailableError, match="busy"):
        Servers([server], patience=5).infer(REQUEST)
    assert time.monotonic() - begin < 1
    assert server.asked == 1


def test_patience_ends() -> None:
    server = ScriptedTransport("one", [ServerUnavailableError("gone")])
    with pytest.raises(ServerUnavailableError, match="gone"):
        Servers([server], patience=0.3).infer(REQUEST)
    assert server.asked > 1


def test_the_first_question_is_not_patient() -> None:
    server = ScriptedTransport("one", [ServerUnavailableError("gone")])
    with pytest.raises(ServerUnavailableError):
        Servers([server]).models()
    assert server.asked == 1


def test_closing_ends_a_wait_between_attempts() -> None:
    servers = Servers([ScriptedTransport("one", [ServerUnavailableError("gone")])], patience=3600)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            servers.infer(REQUEST)
        except ServerUnavailableError as exc:
            failures.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    servers.close()
    thread.join(timeout=10)
    assert len(failures) == 1


def test_a_version_that_is_gone_everywhere_is_not_waited_for() -> None:
    gone = [ModelUnavailableError("version 1 is not found")]
    one, two = ScriptedTransport("one", gone, ready="2"), ScriptedTransport("two", gone, ready="3")
    with pytest.raises(VersionGoneError, match="version 1"):
        Servers([one, two], patience=3600).infer(replace(REQUEST, version="1"))
    assert (one.asked, two.asked) == (1, 1)


def test_a_version_that_is_ready_and_does_not_answer_is_waited_for() -> None:
    """Its process died, and is started again; on the other server it was never."""
    gone, dead = ModelUnavailableError("version 1 is not found"), ModelUnavailableError("Stub process is not healthy")
    other = ScriptedTransport("other", [gone], ready="2")
    servers = Servers([ScriptedTransport("one", [dead, dead, None]), other])
    assert servers.infer(replace(REQUEST, version="1")).version == "one"


def test_one_that_is_not_within_reach_does_not_hold_a_version() -> None:
    away = ScriptedTransport("away", [ServerUnavailableError("gone")])
    other = ScriptedTransport("other", [ModelUnavailableError("version 1 is not found")], ready="2")
    with pytest.raises(VersionGoneError):
        Servers([away, other], patience=3600).infer(replace(REQUEST, version="1"))


def test_a_version_may_be_on_one_server_alone() -> None:
    one = ScriptedTransport("one", [ModelUnavailableError("version 2 is not found")])
    servers = Servers([one, ScriptedTransport("two")], patience=3600)
    assert [servers.infer(replace(REQUEST, version="2")).version for _ in range(4)] == ["two"] * 4


class Strange(ScriptedTransport):
    """A server whose first version is another repository's."""

    def __init__(self, url: str, mean: float = 0.5, labels: tuple[str, ...] = ("cat", "dog")) -> None:
        super().__init__(url)
        self.mean, self.labels, self.away = mean, labels, False

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        return config(model, self.mean)

    def infer(self, request: Inference) -> Answer:
        if self.away:
            raise ServerUnavailableError("gone")
        if request.class_count:
            return Answer(np.array([f"0:{i}:{label}".encode() for i, label in enumerate(self.labels)]), "1")
        return super().infer(request)


@pytest.mark.parametrize("strange", [Strange("two", mean=0.25), Strange("two", labels=("dog", "cat"))])
def test_servers_that_mean_different_things_by_one_version_are_refused(strange: Strange) -> None:
    servers = Servers([ScriptedTransport("one"), strange])
    named = replace(REQUEST, version="1")
    assert servers.infer(named).version == "one"
    with pytest.raises(ContractError, match="one and two both have a version 1 of m, with other contracts or labels"):
        servers.infer(named)
    assert strange.asked == 0


def test_a_server_that_comes_back_with_something_else_is_refused() -> None:
    two = Strange("two")
    servers, named = Servers([ScriptedTransport("one"), two]), replace(REQUEST, version="1")
    assert [servers.infer(named).version for _ in range(4)] == ["one", "two"] * 2
    two.away = True
    assert {servers.infer(named).version for _ in range(2)} == {"one"}
    two.away, two.mean = False, 0.25
    servers._away_until.clear()  # as if the seconds had passed for which it is asked last
    with pytest.raises(ContractError, match="version 1 of m"):
        [servers.infer(named) for _ in range(2)]
    assert two.asked == 2

"""Which models can be compared, with a server that answers as Triton does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tritonrepo.client.errors import ContractError, ModelUnavailableError, ServerUnavailableError, UsageError
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Transport
from tritonrepo.compare.candidates import Candidates, find_candidates
from tritonrepo.compare.plan import Plan

PREPROCESSING = {
    "resize": 36,
    "crop": 32,
    "interpolation": "bilinear",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "layout": "NCHW",
    "dtype": "FP32",
}


def config(name: str, classes: int = 3, maximum: int = 8, std: float = 0.229) -> dict[str, Any]:
    preprocessing = json.dumps({**PREPROCESSING, "std": [std, 0.224, 0.225]})
    return {
        "name": name,
        "max_batch_size": maximum,
        "input": [{"name": "INPUT__0", "data_type": "TYPE_FP32", "dims": [3, 32, 32]}],
        "output": [{"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": [classes]}],
        "parameters": {"preprocessing": {"string_value": preprocessing}},
    }


class Server:
    """The part of a transport that is asked: which models there are, their configs, their labels."""

    url = "127.0.0.1:8001"

    def __init__(self, *configs: dict[str, Any], labels: Mapping[str, str] | None = None, broken: str = "") -> None:
        self._configs = {one["name"]: one for one in configs}
        self._labels, self._broken = labels or {}, broken

    def models(self) -> tuple[ModelStatus, ...]:
        ready = [ModelStatus(name, "1", "READY") for name in self._configs if name != self._broken]
        return (*ready, *([ModelStatus(self._broken, "1", "UNAVAILABLE", "no such file")] if self._broken else []))

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        return self._configs[model]

    def infer(self, request: Inference) -> Answer:
        names = self._labels.get(request.model, "abc" + "x" * request.class_count)[: request.class_count]
        return Answer(np.array([f"0.0:{i}:{name}".encode() for i, name in enumerate(names)], object), "1")


def found(server: Any, **plan: Any) -> Candidates:
    transport: Transport = server
    return find_candidates(transport, Plan(**plan))


def test_all_that_are_ready_in_alphabetical_order() -> None:
    candidates = found(Server(config("m_b"), config("m_a")))
    assert list(candidates.contracts) == ["m_a", "m_b"]
    assert candidates.reference.name == "m_a"
    assert candidates.labels == ("a", "b", "c")
    assert candidates.lost == {}


def test_a_model_that_takes_image_files_is_not_compared() -> None:
    files = config("m_encoded")
    files["parameters"] |= {"stands_on": {"string_value": "m_a"}, "input": {"string_value": "encoded"}}
    files["input"] = [{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": [1]}]
    server = Server(config("m_a"), files)
    assert found(server).lost == {}
    candidates = found(server, models=["m_a", "m_encoded"])
    assert list(candidates.contracts) == ["m_a"]
    assert candidates.lost == {"m_encoded": "it takes image files, and what is compared gets prepared images"}


def test_the_reference_comes_first_and_the_others_in_the_order_given() -> None:
    server = Server(config("m_a"), config("m_b"), config("m_c"))
    assert list(found(server, reference="m_b").contracts) == ["m_b", "m_a", "m_c"]
    assert list(found(server, models=["m_c", "m_a"]).contracts) == ["m_c", "m_a"]


@pytest.mark.parametrize(
    ("other", "labels", "reason"),
    [
        (config("m_b", std=0.5), None, "it prepares its images otherwise than m_a"),
        (config("m_b", classes=4), None, "it has 4 classes, m_a has 3"),
        (config("m_b"), {"m_b": "abd"}, "its class 2 is 'd', that of m_a is 'c'"),
    ],
)
def test_a_model_that_takes_other_images_or_names_other_classes_is_lost(
    other: dict[str, Any], labels: dict[str, str] | None, reason: str
) -> None:
    candidates = found(Server(config("m_a"), other, labels=labels))
    assert list(candidates.contracts) == ["m_a"]
    assert candidates.lost == {"m_b": reason}


def test_a_batch_that_some_models_do_not_take_is_lost_for_them() -> None:
    server = Server(config("m_a"), config("m_b", maximum=4))
    assert found(server, batch_sizes=[1, 8]).lost == {"m_b, batch 8,": "it takes at most 4 at once"}
    with pytest.raises(UsageError, match="batch size 9: m_a takes at most 8 at once"):
        found(server, batch_sizes=[1, 9])


def test_a_model_that_failed_to_load_is_lost_and_as_the_reference_ends_it() -> None:
    server = Server(config("m_a"), config("m_b"), broken="m_b")
    assert found(server).lost == {"m_b": "not ready (no such file)"}
    with pytest.raises(ModelUnavailableError, match=r"not ready \(no such file\)"):
        found(server, reference="m_b")


def test_nothing_to_compare() -> None:
    with pytest.raises(ModelUnavailableError, match="export one with `tritonrepo export`"):
        found(Server())
    with pytest.raises(ModelUnavailableError, match=r"no model can be measured\. m_a: not ready"):
        found(Server(config("m_a"), broken="m_a"))


def test_names_that_the_server_does_not_know() -> None:
    server = Server(config("m_a"))
    with pytest.raises(UsageError, match=r"not on this server, or not loaded: m_x\. It has: m_a"):
        found(server, models=["m_x"])
    with pytest.raises(UsageError, match="the reference m_x is not among the models: m_a"):
        found(server, reference="m_x")


def test_a_server_that_goes_away_loses_no_model_but_the_run() -> None:
    class Gone(Server):
        def config(self, model: str, version: str = "") -> dict[str, Any]:
            raise ServerUnavailableError("nothing listens there")

    with pytest.raises(ServerUnavailableError):
        found(Gone(config("m_a")))


def test_a_model_without_a_contract_is_lost() -> None:
    bare = {**config("m_b"), "parameters": {}}
    assert "does not say how to prepare its images" in found(Server(config("m_a"), bare)).lost["m_b"]
    with pytest.raises(ContractError):
        found(Server(config("m_a"), bare), reference="m_b")

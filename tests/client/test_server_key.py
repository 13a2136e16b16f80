"""The key of an embedded server: who finds it, and for whom it is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tritonrepo.client.errors import ClosedError
from tritonrepo.client.messages import error, statuses
from tritonrepo.client.server_key import Keyring, find_key, key_headers
from tritonrepo.client.transport import ModelStatus

NAME = "triton-serve-x_1"
CLOSED = "This API is restricted, expecting header 'key'"


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which a server leaves its key."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = tmp_path / NAME / "key"
    file.parent.mkdir()
    file.write_text("secret")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    "url", ["localhost:8001", "127.0.0.1:8000", "127.0.0.2:8001", "[::1]:8001", "127.0.0.1:8000/base"]
)
def test_a_server_on_this_host_is_told(key_file: Path, url: str) -> None:
    assert find_key(url, NAME) == "secret"


@pytest.mark.parametrize("url", ["192.168.0.1:8001", "example.org:8001", "127.0.0.1.example.org:8001", "localhost.x:1"])
def test_a_server_elsewhere_that_bears_the_name_is_not(key_file: Path, url: str) -> None:
    assert find_key(url, NAME) is None


@pytest.mark.parametrize(
    "name", ["triton", "triton-serve-", f"../{NAME}", f"triton-serve-y/../{NAME}", "triton-serve-y", ""]
)
def test_a_name_is_no_path(key_file: Path, name: str) -> None:
    assert find_key("localhost:8001", name) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o606])
def test_a_key_that_others_can_read_or_write_is_none(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert find_key("localhost:8001", NAME) is None


def test_the_key_is_looked_for_when_it_is_wanted_and_again_when_it_is_another(key_file: Path) -> None:
    asked: list[str] = []
    wanted = ["", "secret", "other"]

    def ask(headers: Mapping[str, str]) -> str:
        asked.append(headers.get("key", ""))
        if asked[-1] != wanted[0]:
            raise error("localhost:8001", "PERMISSION_DENIED", CLOSED)
        return asked[-1]

    ring = Keyring("localhost:8001", lambda: NAME)
    assert ring.unlock(ask) == ""
    wanted.pop(0)
    assert [ring.unlock(ask), ring.unlock(ask)] == ["secret", "secret"]
    wanted.pop(0)
    with pytest.raises(ClosedError):
        ring.unlock(ask)
    key_file.write_text("other")
    assert ring.unlock(ask) == "other"
    assert asked == ["", "", "secret", "secret", "secret", "secret", "other"]


def test_what_is_closed_is_said_to_be() -> None:
    for code, message in (("PERMISSION_DENIED", CLOSED), ("UNAVAILABLE", CLOSED.replace("API", "protocol"))):
        failure = error("h:1", code, message)
        assert isinstance(failure, ClosedError)
        assert str(failure) == "h:1: the server keeps this closed; who may open it sends its key in the header key"


def test_both_headers_are_sent() -> None:
    assert key_headers("k") == {"key": "k", "triton-grpc-protocol-key": "k"}


def test_the_index_adds_what_is_not_ready() -> None:
    statistics = {"model_stats": [{"name": "a", "version": "2"}]}
    index = [
        {"name": "a", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "a", "version": "2", "state": "READY"},
        {"name": "b"},
    ]
    ready = ModelStatus("a", "2", "READY")
    assert statuses(statistics, []) == (ready,)
    others = (ModelStatus("a", "1", "UNAVAILABLE", "unloaded"), ModelStatus("b", "", "UNAVAILABLE"))
    assert statuses(statistics, index) == (ready, *others)
    assert statuses({}, []) == ()

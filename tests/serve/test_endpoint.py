"""The supervisor's endpoint: whom it answers, and what `check` makes of it."""

import socket
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from tritonrepo.serve.endpoint import MOST_REQUESTS, READY, Answer, Endpoint, Handler, check
from tritonrepo.serve.errors import NoAnswerError, PortTakenError
from tritonrepo.serve.pages import STARTING, make_pages, metric
from tritonrepo.serve.ports import ADDRESS
from tritonrepo.serve.questions import exchange


class Page:
    """What the endpoint answers for READY."""

    answer: Answer = (HTTPStatus.OK, "application/json", b'{"missing": {}}')

    def __call__(self) -> Answer:
        return self.answer


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def address(page: Page) -> Iterator[str]:
    with Endpoint(0, {READY: page}) as endpoint:
        yield f"{ADDRESS}:{endpoint.server_port}"


def get(address: str, path: str, **headers: str) -> int:
    return exchange(address, "GET", path, None, headers, 5)[0]


def test_check_tells_ready_from_missing(page: Page, address: str) -> None:
    assert check(address) == {}
    page.answer = (HTTPStatus.SERVICE_UNAVAILABLE, "application/json", b'{"missing": {"m": "died"}}')
    assert check(address) == {"m": "died"}


@pytest.mark.parametrize(
    "answer",
    [
        (HTTPStatus.OK, "text/html", b"<html>"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "application/json", b'{"missing": {}}'),
    ],
)
def test_who_is_no_supervisor_is_not_ready(page: Page, address: str, answer: Answer) -> None:
    page.answer = answer
    with pytest.raises(ValueError, match=r"status 503|Expecting value"):
        check(address)


def test_only_its_own_pages_are_there_and_no_other_site_reads_them(address: str) -> None:
    assert get(address, READY) == HTTPStatus.OK
    assert get(address, "/v2/models") == HTTPStatus.NOT_FOUND
    assert get(address, READY, Host="evil.example") == HTTPStatus.FORBIDDEN
    assert get(address, READY, Origin="https://evil.example") == HTTPStatus.FORBIDDEN


def test_idle_connections_keep_nobody_out_for_long(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.5)
    host, port = address.split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(MOST_REQUESTS)]
    try:
        assert exchange(address, "GET", READY, None, {}, 20)[0] == HTTPStatus.OK
    finally:
        for connection in idle:
            connection.close()


def test_a_taken_port_is_named(address: str) -> None:
    port = int(address.split(":")[1])
    with pytest.raises(PortTakenError, match=f"port {port} on 127.0.0.1 cannot be used"):
        Endpoint(port, {})


def test_nobody_there() -> None:
    with socket.create_server((ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswerError):
        check(f"{ADDRESS}:{port}")


def test_a_server_that_starts_is_not_ready() -> None:
    with Endpoint(0, make_pages(lambda: None)) as endpoint:
        assert check(f"{ADDRESS}:{endpoint.server_port}") == STARTING


def test_metrics_are_written_as_prometheus_reads_them() -> None:
    assert metric("recoveries_total", "counter", "What.", {'a"b\\c': 2}) == (
        "# HELP tritonrepo_recoveries_total What.\n"
        "# TYPE tritonrepo_recoveries_total counter\n"
        'tritonrepo_recoveries_total{model="a\\"b\\\\c"} 2\n'
    )
    assert metric("ready", "gauge", "What.", {"": 1}).endswith("\ntritonrepo_ready 1\n")

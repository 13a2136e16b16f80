"""Several servers at once."""

import threading
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from tritonrepo.repository.rollout.fleet import MOST_AT_ONCE, Fleet
from tritonrepo.repository.rollout.servers import Reach, Server


def test_what_has_not_begun_when_it_is_interrupted_does_not_begin() -> None:
    """A release that is undone must not go on beside that."""
    go, done = threading.Event(), list[str]()
    urls = [f"http://127.0.0.1:{port}" for port in range(1, MOST_AT_ONCE + 9)]

    def act(server: Server) -> None:
        go.wait(10)
        done.append(server.url)

    with Fleet(urls, Reach({})) as fleet:

        def servers() -> Iterator[Server]:
            yield from fleet.servers
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fleet.each(cast(Sequence[Server], servers()), act)
        go.set()
        fleet.each(fleet.servers[:1], lambda server: None)  # comes after all that was begun
    assert set(done) <= set(urls[:MOST_AT_ONCE])

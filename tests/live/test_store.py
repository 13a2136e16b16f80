"""The real Triton over a bucket, by its own S3 client, while versions come and go."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ShortLived, wait_until
from tests.kills.clients import Client
from tests.kills.kill import failed_loads
from tests.kills.publisher import MODEL, publish
from tests.kills.releases import prepare
from tests.live.releases import draw_pictures
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]

SEND = Bucket.send
INITIALISED = re.compile(rf"TRITONBACKEND_ModelInstanceInitialize: {MODEL}")


@contextmanager
def clients_of(server: TritonServer, pictures: list[Path]) -> Iterator[list[Client]]:
    """Three that ask all the time."""
    ways = (("grpc", server.grpc_url), ("http", server.http_url), ("grpc", server.grpc_url))
    found = [Client(url, protocol, pictures) for protocol, url in ways]
    for client in found:
        client.start()
    try:
        yield found
    finally:
        for client in found:
            client.end()


def send_slowly(bucket: Bucket, path: Path, name: str) -> None:
    """As over a slow line: the server polls between any two files."""
    SEND(bucket, path, name)
    time.sleep(1.2)


def test_a_polling_triton_follows_a_bucket(bucket: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pictures", "1", "2"):
        (tmp_path / name).mkdir()
    pictures = draw_pictures(tmp_path / "pictures", 6)
    for version in (1, 2):
        prepare(tmp_path / str(version), version)
    assert publish(bucket, tmp_path / "1").version == 1
    with (
        ShortLived(bucket, model_control_mode="poll", repository_poll_secs=1) as server,
        clients_of(server, pictures) as clients,
    ):
        wait_until(lambda: all(client.answers.versions == {1} for client in clients))
        with monkeypatch.context() as slowly:
            slowly.setattr(Bucket, "send", send_slowly)
            assert publish(bucket, tmp_path / "2").version == 2
        wait_until(lambda: all(2 in client.answers.versions for client in clients))
        with open_repository(bucket) as models:
            assert models.roll_back([MODEL]) == {MODEL: 1}
        wait_until(lambda: server.is_ready(MODEL, "1") and not server.is_ready(MODEL, "2"))
        log = server.log()
    assert [text for client in clients for text in client.answers.wrong] == []
    assert [text for client in clients for text in client.answers.errors] == []
    assert [text for client in clients for text in client.answers.otherwise()] == []
    print(f"refused at a switch: {sum(client.answers.at_switch for client in clients)}")
    assert failed_loads(log) == []
    # It may say that it loads what it has while files arrive, but it does so for a new record alone.
    assert len(INITIALISED.findall(log)) == 3
    assert not list(Path("/tmp").glob(f"folder*/{MODEL}")), "what was copied from the store goes with the server"

"""Object stores: one that speaks S3, in this process, and any other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from tritonrepo.repository.store.access import Client, connect
from tritonrepo.repository.store.address import Address

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class TestStore:
    """A bucket.

    Attributes:
        url: Its address, as the command takes it.
        bucket: The same for obstore.
    """

    __test__ = False

    url: str
    bucket: Client

    def put(self, key: str, data: bytes) -> str:
        """Write an object; its address."""
        obstore.put(self.bucket, key, data)
        return f"{self.url}/{key}"

    def listed(self) -> list[str]:
        return sorted(meta["path"] for chunk in obstore.list(self.bucket) for meta in chunk)

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self.bucket, key).bytes())


def store_at(place: Address) -> TestStore:
    """A whole bucket."""
    root = replace(place, prefix="")
    return TestStore(str(root), connect(root, 10))


@contextmanager
def serving() -> Iterator[TestStore]:
    """An empty bucket until the block ends; `ENVIRONMENT` has its credentials."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        bucket = S3Store(
            "pictures",
            endpoint=f"http://{host}:{port}",
            access_key_id="test",
            secret_access_key="test",
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        import urllib.request

        urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/pictures", method="PUT")).close()
        yield TestStore(f"s3://{host}:{port}/pictures", bucket)
    finally:
        server.stop()

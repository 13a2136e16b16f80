"""Where the pods read the model repository."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tritonrepo.client.errors import UsageError
from tritonrepo.repository.store.address import read_address

_VOLUME = re.compile(r"pvc://(?P<claim>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?P<path>(?:/[\w.=+-]+)*)/?", re.ASCII)
MOUNT = "/models"


@dataclass(frozen=True)
class Store:
    """A place that many pods can read.

    Attributes:
        url: As it was given.
        kind: The name of the component for Kubernetes.
        repository: What tritonserver is told.
        claim: Of the volume, for a volume.
        endpoint: Whether the URL names the server of the store itself.
    """

    url: str
    kind: Literal["s3", "volume"]
    repository: str
    claim: str = ""
    endpoint: bool = False


def read_store(url: str) -> Store:
    """What `s3://BUCKET/PREFIX`, `s3://HOST:PORT/BUCKET/PREFIX` or `pvc://CLAIM/PATH` says.

    Raises:
        UsageError: It is none of these.
    """
    url = url.strip()
    with suppress(UsageError):
        if (address := read_address(url, {})).scheme == "s3":
            return Store(url, "s3", url.rstrip("/"), endpoint=bool(address.endpoint))
    # `..` would lead out of the mount.
    if (found := _VOLUME.fullmatch(url)) and ".." not in found["path"].split("/"):
        return Store(url, "volume", f"{MOUNT}{found['path']}", found["claim"])
    # Not the address itself: it may hold a secret.
    raise UsageError("--repository: pods read s3://BUCKET/PREFIX, s3://HOST:PORT/BUCKET/PREFIX or pvc://CLAIM/PATH")

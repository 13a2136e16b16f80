"""The key to what a server keeps closed: its repository index, model control, shared memory, trace and log settings.

An embedded server (`tritonrepo serve`) makes a key at each start and leaves it in its private temporary directory, in
a file that its user alone can read. Whoever runs as that user on that host finds it by the server's own name. The key
of any other server is a header like every other: `Connection(headers=…)`, `--headers FILE`.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tritonrepo.client.errors import ClosedError
from tritonrepo.client.networks import host_of, is_loopback

T = TypeVar("T")

DIRECTORY_PREFIX = "triton-serve-"
"""How the name of an embedded server begins, which is its directory's."""
KEY_FILENAME = "key"
HTTP_HEADER = "key"
GRPC_HEADER = "triton-grpc-protocol-key"
NO_SHARED_MEMORY = "no-shared-memory"
"""The header that an embedded server wants which takes no shared memory; nobody has its value."""


def key_headers(key: str) -> dict[str, str]:
    """Return the headers that present a key; each protocol ignores the other's."""
    return {HTTP_HEADER: key, GRPC_HEADER: key}


def find_key(url: str, server: str) -> str | None:
    """Return the key of an embedded server of ours on this host, or None.

    Args:
        url: HOST:PORT where the server answers. Only a loopback address is trusted with the key.
        server: The name that the server gives itself.
    """
    if not is_loopback(host_of(url)) or not re.fullmatch(rf"{DIRECTORY_PREFIX}\w+", server, re.ASCII):
        return None
    try:
        with Path(tempfile.gettempdir(), server, KEY_FILENAME).open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.getuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                return None
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


class Keyring:
    """The key of one server, looked for when the server asks for one, and again when it was started anew."""

    def __init__(self, url: str, server_name: Callable[[], str]) -> None:
        self._url = url
        self._server_name = server_name
        self._headers: dict[str, str] = {}

    def unlock(self, ask: Callable[[Mapping[str, str]], T]) -> T:
        """Return what `ask` returns, given the headers that open the server.

        Raises:
            ClosedError: The server wants a key that is not here.
        """
        try:
            return ask(self._headers)
        except ClosedError:
            key = find_key(self._url, self._server_name())
            if key is None or key_headers(key) == self._headers:
                raise
            self._headers = key_headers(key)
            return ask(self._headers)

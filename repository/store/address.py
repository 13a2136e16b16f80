"""Where a model repository is: a path of this machine, or an object store as Triton spells it.

s3://BUCKET/PREFIX                    Amazon S3
s3://HOST:PORT/BUCKET/PREFIX          one's own store that speaks S3, over HTTP
s3://https://HOST:PORT/BUCKET/PREFIX  the same over HTTPS; http:// may be written too
gs://BUCKET/PREFIX                    Google Cloud Storage
as://ACCOUNT/CONTAINER/PREFIX         Azure Blob Storage
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import scheme_of

if TYPE_CHECKING:
    from tritonrepo.repository.store.seam import Store

Scheme = Literal["s3", "gs", "as"]

SPELLINGS = {
    "s3": "s3://BUCKET/PREFIX or, for your own store, s3://HOST:PORT/BUCKET/PREFIX (s3://https://HOST:PORT/… for TLS)",
    "gs": "gs://BUCKET/PREFIX",
    "as": "as://ACCOUNT/CONTAINER/PREFIX",
}
ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("CLOUD_STORAGE_EMULATOR_ENDPOINT",),
    "as": ("AZURE_STORAGE_ENDPOINT",),
}
"""The environment's words for one's own store, the first of which wins. The embedded Triton reads Google's alone."""

_BUCKET = r"(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)"
_PREFIX = r"(?P<prefix>(?:/[A-Za-z0-9._-]+)*)/?"
_ENDPOINT = r"(?:(?P<endpoint>(?:https?://)?[A-Za-z0-9.-]+:\d{1,5})/)?"
_FORMS = {
    "s3": re.compile(f"s3://{_ENDPOINT}{_BUCKET}{_PREFIX}", re.ASCII),
    "gs": re.compile(f"gs://{_BUCKET}{_PREFIX}", re.ASCII),
    "as": re.compile(f"as://(?P<account>[A-Za-z0-9-]+)/{_BUCKET}{_PREFIX}", re.ASCII),
}
_SERVER = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?P<path>(?:/[A-Za-z0-9.-]+)*)/*", re.ASCII)


@dataclass(frozen=True)
class Address:
    """An object store, and the place in it.

    Attributes:
        scheme: The kind of store.
        bucket: Azure calls it a container.
        prefix: Without slashes around it; empty: the whole bucket.
        endpoint: Of one's own store, as in `http://host:9000`. For S3 alone it is a part of what Triton takes.
        account: Azure's.
    """

    scheme: Scheme
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    account: str = ""

    def __str__(self) -> str:
        """As Triton takes it."""
        endpoint = self.endpoint if self.scheme == "s3" else ""
        root = "/".join(filter(None, (endpoint, self.account, self.bucket, self.prefix)))
        return f"{self.scheme}://{root}"


def is_address(text: str) -> bool:
    """Whether a text names an object store rather than a path."""
    return scheme_of(text) in SPELLINGS


def read_address(text: str, environment: Mapping[str, str] = os.environ) -> Address:
    """What an address of an object store says.

    Args:
        text: The address.
        environment: May name the server of one's own store.

    Raises:
        UsageError: It is none, or holds what must not be on a command line. The message does not repeat it.
    """
    scheme = scheme_of(text)
    if scheme not in SPELLINGS:
        raise UsageError(f"{scheme or 'this'} is no object store; give {', '.join(SPELLINGS.values())}")
    if "@" in text:
        raise UsageError(
            f"the {scheme}:// address holds a user or a password, which everybody on this machine could read; give "
            "credentials by the environment or a profile (docs/repository.md)"
        )
    found = _FORMS[scheme].fullmatch(text.strip())
    if found is None or {".", ".."} & {*found["prefix"].split("/")}:
        raise UsageError(
            f"the {scheme}:// address is not {SPELLINGS[scheme]}; Triton takes letters, digits and ._- in it"
        )
    parts = found.groupdict()
    return Address(
        scheme,  # type: ignore[arg-type]
        parts["bucket"],
        parts["prefix"].strip("/"),
        _endpoint(scheme, parts.get("endpoint") or "", environment),
        parts.get("account", ""),
    )


def open_store(place: Path | Address) -> Store:
    """The store at a place; nothing is asked of it yet.

    Raises:
        MissingError: The package that reads an object store is not installed.
        StoreError: There are no credentials for it.
    """
    if isinstance(place, Path):  # The imports stand here: who calls a server alone needs none of this.
        from tritonrepo.repository.store.local import LocalStore

        return LocalStore(place)
    try:
        from tritonrepo.repository.store.objects import ObjectStore
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed: {install_command('store')}") from exc
    return ObjectStore(place)


def _endpoint(scheme: str, written: str, environment: Mapping[str, str]) -> str:
    """The server of one's own store, with its scheme; empty for that of the store's maker."""
    if written:
        return written if "://" in written else f"http://{written}"
    name = next((name for name in ENDPOINTS[scheme] if environment.get(name)), None)
    if name is None:
        return ""
    found = _SERVER.fullmatch(environment[name])
    # An emulator of Azure's store has the account as a path.
    if found is None or (found["path"] and scheme != "as"):
        # Not the value itself: it may hold a password.
        raise UsageError(f"{name} in the environment is not http://HOST:PORT or https://HOST:PORT")
    return environment[name].rstrip("/")

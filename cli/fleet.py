"""The servers that several verbs speak to, and what they are reached with."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tritonrepo.cli.arguments import headers, path, seconds
from tritonrepo.client.connection import Tls, addresses, implied
from tritonrepo.client.errors import UsageError
from tritonrepo.client.server_key import key_headers
from tritonrepo.client.text import read_lines

if TYPE_CHECKING:
    from tritonrepo.repository.rollout.fleet import Fleet
    from tritonrepo.repository.store.seam import Store

TIMEOUT = 300.0


def add_fleet_options(parser: argparse.ArgumentParser, purpose: str, *, required: bool = False) -> None:
    """Which servers, and how they are reached; `open_fleet` reads them.

    Args:
        parser: Gets the options.
        purpose: What becomes of the servers, for the help.
        required: Whether one has to be named.
    """
    add = parser.add_argument_group("servers").add_argument
    add(
        "--server",
        nargs="+",
        action="extend",
        default=[],
        required=required,
        metavar="URL",
        help=f"{purpose}; HOST:PORT of gRPC, or http://HOST:PORT",
    )
    add(
        "--key",
        type=path,
        metavar="FILE",
        help="holds the key of their model control; that of `tritonrepo serve` on this host is found without it",
    )
    add("--headers", type=path, metavar="FILE", help="a `Name: value` a line, sent with each request")
    add("--ca", type=path, metavar="PEM", help="who signs servers of https:// or grpcs:// (default: the system's list)")
    add(
        "--polling",
        action="store_true",
        help="they follow the repository by themselves: wait for them; without it each is asked whether it does",
    )
    add(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="S",
        help="seconds that a server may take to load a version (%(default)s)",
    )


def open_fleet(args: argparse.Namespace) -> Fleet:
    """The servers that the options name; nothing is sent yet.

    Raises:
        UsageError: An address is malformed, or a file cannot be used.
    """
    from tritonrepo.repository.rollout.fleet import Fleet
    from tritonrepo.repository.rollout.servers import Reach

    sent = headers(args.headers) | (key_headers(_key(args.key)) if args.key else {})
    servers, tls = addresses(args.server), Tls(args.ca) if args.ca else None
    if tls and not any(implied(server)[1] for server in servers):
        raise UsageError("--ca is about TLS, and no --server asks for it: type grpcs://HOST:PORT or https://HOST:PORT")
    return Fleet(servers, Reach(sent, tls, args.timeout, args.polling))


@contextmanager
def held(store: Store, models: Sequence[str]) -> Iterator[None]:
    """Keep every other release and rollback from telling servers of these models, while the block lasts.

    Raises:
        BusyError: One is under way.
    """
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(store.hold(model))
        yield


def _key(file: Path) -> str:
    lines = [line.strip() for line in read_lines(file) if line.strip()]
    if len(lines) != 1:
        raise UsageError(f"--key {file}: holds {len(lines)} lines, and a key is one")
    return lines[0]

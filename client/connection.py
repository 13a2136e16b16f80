"""How to reach a server: address, protocol, TLS, headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tritonrepo.client.errors import UsageError

PROTOCOLS = ("grpc", "http")
DEFAULT_PORTS = {"grpc": 8001, "http": 8000}
COMPRESSIONS = ("gzip", "deflate")
PATIENCE = 60.0
"""Seconds to go on trying while no server answers in the middle of the work."""


@dataclass(frozen=True)
class Tls:
    """PEM files. `ca`: who may sign the server (default: the system's list). `certificate`, `key`: for mutual TLS."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError("mutual TLS needs a certificate and its key, both")
        for path in (self.ca, self.certificate, self.key):
            if path is not None and not path.is_file():
                raise UsageError(f"no such PEM file: {path}")


@dataclass(frozen=True)
class Connection:
    """How to talk to a server. `deadline`: seconds for one request, connecting included."""

    protocol: str = "grpc"
    deadline: float = 60.0
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    compression: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UsageError(f"protocol {self.protocol!r} is not one of {', '.join(PROTOCOLS)}")
        if self.compression is not None and self.compression not in COMPRESSIONS:
            raise UsageError(f"compression {self.compression!r} is not one of {', '.join(COMPRESSIONS)}")
        if not self.deadline > 0:
            raise UsageError(f"the deadline is {self.deadline} s, it must be more than 0")


def parse_address(url: str, protocol: str) -> str:
    """HOST[:PORT][/BASE] with the protocol's usual port where there is none. Raises UsageError."""
    if "://" in url:
        raise UsageError(f"{url!r}: write HOST:PORT without a scheme; --protocol and --tls say the rest")
    try:
        parsed = urllib3.util.parse_url(f"//{url}")
        port = parsed.port or DEFAULT_PORTS[protocol]
    except (urllib3.exceptions.LocationParseError, ValueError) as exc:
        raise UsageError(f"{url!r} is not HOST:PORT") from exc
    if not parsed.host:
        raise UsageError(f"{url!r} is not HOST:PORT")
    return f"{parsed.host}:{port}{(parsed.path or '').rstrip('/') if protocol == 'http' else ''}"

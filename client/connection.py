"""How to reach a server: address, protocol, TLS, headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tritonrepo.client.errors import UsageError

PROTOCOLS = ("grpc", "http")
DEFAULT_PORTS = {"grpc": 8001, "http": 8000}
COMPRESSIONS = ("gzip", "deflate")
PATIENCE = 60.0
"""Seconds to go on trying while no server answers in the middle of the work."""
LONGEST_DEADLINE = 1_000_000.0
"""Seconds; the system's clocks take no more than some thousands of these."""
_SPOKEN = {"grpc": "gRPC", "http": "HTTP"}
_SCHEMES = {"http": ("http", False), "https": ("http", True), "grpc": ("grpc", False), "grpcs": ("grpc", True)}
DNS = "dns:///"
"""What begins an address whose name stands for several servers: gRPC then takes them in turn."""
# What else gRPC takes instead of a host's name; `dns:8001` is a host that is called dns.
_GRPC_NAMING = re.compile(r"(unix|unix-abstract|vsock|dns|ipv4|ipv6|xds):(?!\d+(/|$)|//[^/])")
_BARE_IPV6 = re.compile(r"[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(/|$)", re.IGNORECASE | re.ASCII)
_HEADER_NAME = re.compile(r"[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Tls:
    """PEM files.

    Attributes:
        ca: Who may sign the server; the system's list where there is none.
        certificate: The client's, for mutual TLS.
        key: Its private key.

    Raises:
        UsageError: A file is missing, or a certificate comes without its key.
    """

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
    """How to talk to a server.

    Attributes:
        protocol: grpc or http.
        deadline: Seconds for one request, connecting included.
        tls: Encrypt, with these files.
        headers: Sent with each request, such as an API key.
        compression: Of requests and answers: gzip or deflate.

    Raises:
        UsageError: A value makes no sense.
    """

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
        for name, value in self.headers.items():
            # Not the value: it may be a secret.
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise UsageError(f"the header {name!r} is not letters, digits, - and _ with a value of plain ASCII")
        if not 0 < self.deadline <= LONGEST_DEADLINE:
            raise UsageError(
                f"the deadline is {self.deadline} s, it must be above 0 and at most {LONGEST_DEADLINE:,.0f} s"
            )


def addresses(url: str | Sequence[str]) -> list[str]:
    """The single addresses of a list of them, or of a string with commas.

    Raises:
        UsageError: There are none.
    """
    found = [part.strip() for text in ([url] if isinstance(url, str) else url) for part in text.split(",")]
    if not any(found):
        raise UsageError("no server address: give HOST:PORT")
    return [part for part in found if part]


def implied_connection(url: str) -> Connection:
    """The connection that an address asks for by its scheme, if it has one; the rest is the default.

    Raises:
        UsageError: The scheme is of neither protocol.
    """
    protocol, secure = implied(url)
    return Connection(protocol, tls=Tls() if secure else None)


def implied(url: str) -> tuple[str, bool]:
    """The protocol and whether TLS that an address asks for by its scheme; without one gRPC and none.

    Raises:
        UsageError: The scheme is of neither protocol, or the address holds a user name.
    """
    if url.startswith(DNS):
        return implied(url.removeprefix(DNS))
    scheme, mark, rest = url.partition("://")
    if "@" in (rest if mark else url).partition("/")[0]:
        # Not the address itself: it holds a secret.
        raise UsageError("the address holds a user name; credentials belong into --headers")
    if not mark:
        return "grpc", False
    if scheme.lower() not in _SCHEMES:
        raise UsageError(
            f"{_shown(url)}: Triton speaks gRPC and HTTP, not {scheme}; give HOST:PORT, or http://HOST:PORT"
        )
    return _SCHEMES[scheme.lower()]


def parse_address(url: str, protocol: str) -> str:
    """HOST:PORT[/BASE] of [SCHEME://]HOST[:PORT][/BASE], with the protocol's usual port where there is none.

    For gRPC, `dns:///HOST[:PORT]` stays what it is.

    Raises:
        UsageError: It is malformed, or has a base path, which only HTTP knows, for gRPC.
    """
    import urllib3  # Here, since an export, which shares the options' types, need not load it.

    named = DNS if protocol == "grpc" and url.startswith(DNS) else ""
    place = url.removeprefix(named)
    if kind := _GRPC_NAMING.match(place):
        raise UsageError(f"{url!r}: {kind[1]} addresses are not supported: Triton listens on TCP; give HOST:PORT")
    _, mark, rest = place.partition("://")
    if _BARE_IPV6.match(rest if mark else place):
        raise UsageError(f"{_shown(url)}: an IPv6 address stands in brackets, as in [::1]:{DEFAULT_PORTS[protocol]}")
    try:
        parsed = urllib3.util.parse_url(f"//{rest if mark else place}")
    except (urllib3.exceptions.LocationParseError, ValueError) as exc:
        raise UsageError(f"{_shown(url)} is not HOST:PORT") from exc
    if not parsed.host or parsed.port == 0 or parsed.query or parsed.fragment:
        raise UsageError(f"{_shown(url)} is not HOST:PORT")
    base = (parsed.path or "").rstrip("/")
    if base and protocol == "grpc":
        raise UsageError(f"{url!r}: gRPC takes HOST:PORT, without the path {base}")
    return f"{named}{parsed.host}:{parsed.port or DEFAULT_PORTS[protocol]}{base}"


def _shown(url: str) -> str:
    """An address for a message, without what follows a ? or #: that may be a secret."""
    shown = re.split("[?#]", url, maxsplit=1)[0]
    return repr(shown if shown == url else f"{shown}?…")


def check_scheme(url: str, connection: Connection) -> None:
    """Compare an address's scheme, if it has one, with the connection that is wanted.

    Raises:
        UsageError: They are at odds; the message says what to type.
    """
    protocol, secure = implied(url)
    scheme, mark, rest = url.partition("://")
    if not mark or url.startswith(DNS):
        return
    if protocol != connection.protocol:
        raise UsageError(
            f"{url!r} is an address for {_SPOKEN[protocol]}, and {_SPOKEN[connection.protocol]} was chosen: "
            f"type --url {rest} --protocol {protocol}, or give the {_SPOKEN[connection.protocol]} port of the server "
            f"(usually {DEFAULT_PORTS[connection.protocol]}) without {scheme}://"
        )
    if secure and connection.tls is None:
        raise UsageError(f"{url!r} asks for TLS, which was not chosen: type --url {rest} --tls")
    if connection.tls is not None and not secure:
        raise UsageError(f"{url!r} is an address without TLS, which was chosen: type {scheme}s://{rest}")

"""Where an address lies, and the proxy that the environment names for it: alike for both protocols."""

from __future__ import annotations

import ipaddress
import urllib.request
from dataclasses import dataclass

import urllib3

from tritonrepo.client.connection import DNS

# As gRPC has it, which always asks a proxy for a tunnel.
_VARIABLES = {"http": ("http",), "https": ("https",), "grpc": ("grpc", "https", "http")}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Attributes:
        url: Where it listens; may hold its user's name and password.
        variable: The environment variable that names it.
    """

    url: str
    variable: str

    @property
    def hint(self) -> str:
        """A sentence for a message about a failure; without the password."""
        parsed = urllib3.util.parse_url(self.url)
        place = parsed.host if parsed.port is None else f"{parsed.host}:{parsed.port}"
        return f"The proxy {place} was asked, which ${self.variable} names; name the host in $no_proxy to go around it."


def proxy_for(protocol: str, host: str) -> Proxy | None:
    """Return the proxy for a host, or None; it is never asked for this host itself.

    Args:
        protocol: http, https or grpc.
        host: A name or an address, without a port.
    """
    if is_loopback(host):
        return None
    known = urllib.request.getproxies()
    for kind in (*_VARIABLES[protocol], "all"):
        if kind in known:
            url = known[kind] if "://" in known[kind] else f"http://{known[kind]}"
            return None if urllib.request.proxy_bypass(host.strip("[]")) else Proxy(url, f"{kind}_proxy")
    return None


def host_of(address: str) -> str:
    """The host of an address that `parse_address` gave; an IPv6 address in brackets."""
    return address.removeprefix(DNS).partition("/")[0].rpartition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this host itself."""
    bare = host.strip("[]")
    try:
        return bare.lower() == "localhost" or ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet: not this host, a private network, link-local or reserved.

    Raises:
        ValueError: It is no IP address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 address within is the one that is reached in the end.
        inner = found.ipv4_mapped or found.sixtofour or (found in _NAT64 and ipaddress.IPv4Address(int(found) % 2**32))
        if inner:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast

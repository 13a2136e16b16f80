"""Ports on loopback."""

import contextlib
import socket
from itertools import count
from typing import NamedTuple

from tritonrepo.serve.errors import PortTakenError, ServeError

ADDRESS = "127.0.0.1"
HIGHEST = 65535


class Ports(NamedTuple):
    """Where a server and its supervisor listen; 0: anywhere."""

    http: int = 0
    grpc: int = 0
    metrics: int = 0
    supervisor: int = 0


def next_ports(ports: Ports) -> Ports:
    """Return the next ports after these that are all free on loopback, at the same distances; each 0 stays.

    Raises:
        ServeError: There are none.
    """
    asked = [port for port in ports if port]
    if not asked:
        return ports
    for offset in count(step := max(asked) - min(asked) + 1, step):
        found = Ports(*(port + offset if port else 0 for port in ports))
        if max(found) > HIGHEST:
            raise ServeError(f"no ports are free after {max(ports)} for one more server; choose lower ones, or 0")
        with contextlib.suppress(PortTakenError), contextlib.ExitStack() as stack:
            for port in filter(None, found):
                stack.enter_context(bind(port))
            return found
    raise AssertionError  # count() does not end


def reserve_ports(asked: tuple[int, int, int], grpc_host: str = ADDRESS) -> tuple[int, int, int]:
    """Check that the ports asked for are free, gRPC's at its host and the others on loopback; replace each 0.

    Raises:
        PortTakenError: One of them is taken; it is named.
    """
    with contextlib.ExitStack() as stack:
        # All are held until the last is found, so that they differ.
        hosts = (ADDRESS, grpc_host, ADDRESS)
        held = [stack.enter_context(bind(port, host)) for port, host in zip(asked, hosts, strict=True)]
        http_port, grpc_port, metrics_port = (int(listener.getsockname()[1]) for listener in held)
    return http_port, grpc_port, metrics_port


def bind(port: int, host: str = ADDRESS) -> socket.socket:
    """Return a socket that holds a port of this host.

    Raises:
        PortTakenError: The port is taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    # As Triton does: a port whose last connections linger in TIME_WAIT is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise PortTakenError(port, host, error) from None
    return listener

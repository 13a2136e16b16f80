"""Ports on loopback."""

import contextlib
import socket

from tritonrepo.serve.errors import PortTakenError

ADDRESS = "127.0.0.1"


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

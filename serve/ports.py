"""Ports on loopback."""

import contextlib
import socket

from tritonrepo.serve.errors import PortTakenError

ADDRESS = "127.0.0.1"


def reserve_ports(asked: tuple[int, int, int]) -> tuple[int, int, int]:
    """Check that the ports asked for are free on loopback, and replace each 0 by a free one.

    Raises:
        PortTakenError: One of them is taken; it is named.
    """
    with contextlib.ExitStack() as stack:
        # All are held until the last is found, so that they differ.
        http_port, grpc_port, metrics_port = (stack.enter_context(bind(port)).getsockname()[1] for port in asked)
    return http_port, grpc_port, metrics_port


def bind(port: int) -> socket.socket:
    """Return a socket that holds a port on loopback.

    Raises:
        PortTakenError: The port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As Triton does: a port whose last connections linger in TIME_WAIT is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"port {port} on {ADDRESS} cannot be used ({error.strerror}); stop what listens there or choose another"
        ) from None
    return listener

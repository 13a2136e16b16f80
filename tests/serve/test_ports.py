"""Ports on loopback: taken ones are named, free ones are found."""

import socket
from pathlib import Path

import pytest

from tritonrepo.serve.errors import PortTakenError
from tritonrepo.serve.ports import reserve_ports
from tritonrepo.serve.triton import TritonServer


def test_free_ports_differ() -> None:
    assert len(set(reserve_ports((0, 0, 0)))) == 3


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_taken_port_is_named(tmp_path: Path, position: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = [0, 0, 0]
        ports[position] = listener.getsockname()[1]
        server = TritonServer(tmp_path, *ports)
        with pytest.raises(PortTakenError, match=f"port {ports[position]} on 127.0.0.1"):
            server.start()
        assert server.directory is None

"""What is settled before Ray is imported: the workers that are wanted, and Ray's environment."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass

import grpc

from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.messages import said

_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Asks, by a warning, to be set.
}
# Else Ray takes the machine's own address in the place of a loopback one, on every system but the two that this names.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
AUTO = "auto"
"""In the place of an address: the cluster of which this machine is a node."""
_ADDRESS = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-f:.]+\]):(?P<port>\d{1,5})", re.ASCII | re.IGNORECASE)
_QUESTION = "/ray.rpc.NodeInfoGcsService/CheckAlive"
"""What a head answers, whatever is asked with it."""
_SECONDS = 5.0
_LOCAL = ("127.0.0.1:", "localhost:", "[::1]:")


@dataclass(frozen=True)
class Crew:
    """The workers.

    Attributes:
        workers: How many; by default one for each node.
        gpus: Of each worker, for a server of its own.
    """

    workers: int | None = None
    gpus: float = 0.0


def prepare(address: str | None) -> None:
    """Set Ray's environment for a cluster at this address, or by default for one of this machine alone.

    Ray reads it while it is imported.

    Raises:
        UsageError: It is no address of a cluster.
        MissingError: No cluster answers there; Ray itself would try for minutes, and where others listen for ever.
    """
    if address is not None and address != AUTO:
        _check_cluster(*_parse(address))
    os.environ.update(_ALWAYS)
    if address is None or address.startswith(_LOCAL):
        os.environ.update(LOOPBACK)


def _parse(address: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        client = "ray:// is for clients outside of the cluster, and " if address.startswith("ray://") else ""
        raise UsageError(
            f"--address: {client}this command runs on a node: give HOST:PORT, as `ray start --head` prints it (usually "
            f"port 6379), or {AUTO}"
        )
    return found["host"].strip("[]"), int(found["port"])


def _check_cluster(host: str, port: int) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        socket.create_connection((host, port), _SECONDS).close()
        reason = _why_no_head(place)
    except (OSError, OverflowError, UnicodeError) as exc:
        reason = said(exc)
    if reason:
        raise MissingError(
            f"no Ray cluster at {place}: {reason}. Is it up, by `ray status` there? Without --address a cluster of "
            "this machine is started for the run."
        )


def _why_no_head(place: str) -> str:
    """Empty where a head of Ray answers, and where that cannot be told: of a cluster with TLS Ray has the files."""
    if os.environ.get("RAY_USE_TLS"):
        return ""
    with grpc.insecure_channel(place, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(_QUESTION)(b"", timeout=_SECONDS)
        except grpc.RpcError as exc:
            if exc.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE):
                return "something else listens there"
            if exc.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return f"what listens there says nothing for {_SECONDS:g} s"
    return ""

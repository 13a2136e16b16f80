"""What is settled before Ray is imported: the workers that are wanted, and Ray's environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Asks, by a warning, to be set.
}
# Else Ray takes the machine's own address in the place of a loopback one, on every system but the two that this names.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
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
    """
    os.environ.update(_ALWAYS)
    if address is None or address.startswith(_LOCAL):
        os.environ.update(LOOPBACK)

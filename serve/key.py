"""The key to what the embedded Triton keeps closed.

Model control runs code: who may load a model may bring its files, Python among them. Shared memory, traces and logs
let a caller name memory and files of the host. A port on loopback is no protection: every page in a browser on this
host, and every user of it, reaches it. So all of this needs a key, made anew at each start.

tritonserver takes the key as words of its command line alone, and everybody on a host can read command lines. So the
words stand in the environment, which only its user can read, and the guardian points tritonserver at them there.
"""

import os
import secrets
from pathlib import Path

from tritonrepo.client.server_key import HTTP_HEADER, KEY_FILENAME

CLOSED = ("model-repository", "shared-memory", "trace", "logging")
"""All that Triton 2.51 can close but health, metadata, model-config (which only reads), inference and statistics."""
REST = ("health", "metadata", "inference", "model-config", "statistics")
"""Those, which HTTP closes as well where a guard in front of it opens them."""
# What gRPC's header is called follows from HTTP's: Triton puts `triton-grpc-protocol-` before it.
OPTIONS = {"TRITON_HTTP_CLOSED": "--http-restricted-api", "TRITON_GRPC_CLOSED": "--grpc-restricted-protocol"}
ARGUMENTS = [f"${variable}" for variable in OPTIONS]
"""The words of tritonserver's command line, as the guardian takes them."""


def make_key(directory: Path) -> str:
    """Return a new key, after leaving it in a new file of `directory` that its user alone can read.

    Raises:
        OSError: The file cannot be written.
    """
    key = secrets.token_hex(32)
    descriptor = os.open(directory / KEY_FILENAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key)
    return key


def closing_environment(key: str, *, guarded: bool = False) -> dict[str, str]:
    """Return the variables that hold what ARGUMENTS stand for.

    Args:
        key: What opens the closed endpoints.
        guarded: Close all of HTTP, since a guard that has the key stands in front of it.
    """
    closed = {"TRITON_HTTP_CLOSED": CLOSED + REST if guarded else CLOSED, "TRITON_GRPC_CLOSED": CLOSED}
    return {name: f"{option}={','.join(closed[name])}:{HTTP_HEADER}={key}" for name, option in OPTIONS.items()}

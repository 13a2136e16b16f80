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

from tritonrepo.client.server_key import HTTP_HEADER, KEY_FILENAME, NO_SHARED_MEMORY

CLOSED = ("model-repository", "trace", "logging")
"""What Triton 2.51 can close but health, metadata, model-config (which only reads), inference and statistics."""
SHARED_MEMORY = "shared-memory"
"""The same, closed for itself: where nobody asked for it, with a key that nobody has. Triton cannot do without it."""
REST = ("health", "metadata", "inference", "model-config", "statistics")
"""What HTTP closes as well where a guard in front of it opens it."""
# What gRPC's header is called follows from HTTP's: Triton puts `triton-grpc-protocol-` before it.
OPTIONS = {"TRITON_HTTP": "--http-restricted-api", "TRITON_GRPC": "--grpc-restricted-protocol"}
ARGUMENTS = [f"${name}_{what}" for name in OPTIONS for what in ("CLOSED", "MEMORY")]
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


def closing_environment(key: str, *, guarded: bool = False, shared_memory: bool = False) -> dict[str, str]:
    """Return the variables that hold what ARGUMENTS stand for.

    Args:
        key: What opens the closed endpoints.
        guarded: Close all of HTTP, since a guard that has the key stands in front of it.
        shared_memory: Whether the key opens the registration of shared memory too.
    """
    memory = f"{HTTP_HEADER}={key}" if shared_memory else f"{NO_SHARED_MEMORY}={secrets.token_hex(32)}"
    found = {}
    for name, option in OPTIONS.items():
        closed = CLOSED + REST if guarded and name == "TRITON_HTTP" else CLOSED
        found[f"{name}_CLOSED"] = f"{option}={','.join(closed)}:{HTTP_HEADER}={key}"
        found[f"{name}_MEMORY"] = f"{option}={SHARED_MEMORY}:{memory}"
    return found

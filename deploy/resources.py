"""What a pod asks for, from what it serves. First figures: the documents say how to look at the real ones."""

from __future__ import annotations

from dataclasses import dataclass

from tritonrepo.deploy.model_set import ModelSet

GIB = 1 << 30
STEP = GIB // 4
SERVER = 2 * GIB
"""tritonserver, its backends and CUDA, before any model."""
SPARE_DISK = GIB


@dataclass(frozen=True)
class Resources:
    """What a pod asks for, in bytes.

    Attributes:
        memory: What is set aside for it.
        most_memory: Above this it is ended.
        disk: For what is fetched from a store.
    """

    memory: int
    most_memory: int
    disk: int


def resources_for(served: ModelSet) -> Resources:
    """Memory and disk for the models of a pod.

    An instance takes its weights twice: once as they are, once for what it computes. While a new version is loaded the
    version before goes on serving, so the most is twice that. From a store the artifacts are copied first.
    """
    weights = sum(model.bytes * model.copies for model in served.models)
    artifacts = sum(model.bytes for model in served.models)
    return Resources(
        _rounded(SERVER + 2 * weights), _rounded(SERVER + 4 * weights), _rounded(SPARE_DISK + 2 * artifacts)
    )


def quantity(size: int) -> str:
    """A number of bytes as Kubernetes writes it, in MiB: `2304Mi`."""
    return f"{size >> 20}Mi"


def _rounded(size: int) -> int:
    return -(-size // STEP) * STEP

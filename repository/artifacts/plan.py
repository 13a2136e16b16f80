"""TensorRT engines, by the head of the file and by what the manifest says."""

from collections.abc import Iterator
from pathlib import Path

from tritonrepo.repository.findings import IN_IMAGE, Fault
from tritonrepo.repository.host import gpus
from tritonrepo.repository.manifest import EngineFacts

TAG = b"ftrt"
RTX_TAG = b"vtrt"
VERSION = slice(24, 28)
"""Where a plan holds the four numbers of the TensorRT that built it, as trtexec --getPlanVersionOnly reads it."""


def examine(artifact: Path, engine: EngineFacts | None, release: str) -> Iterator[Fault]:
    """What keeps the tensorrt backend of Triton `release` from loading the file.

    Args:
        artifact: The plan.
        engine: What the manifest says of it, or None if that says nothing.
        release: As in `26.11`.

    Raises:
        OSError: The file cannot be read.
    """
    with artifact.open("rb") as file:
        header = file.read(VERSION.stop)
    if header[:4] == RTX_TAG:
        yield Fault("was built by TensorRT for RTX; Triton serves TensorRT engines alone", IN_IMAGE)
    elif header[:4] != TAG or len(header) < VERSION.stop:
        yield Fault(f"{artifact.name} is not a TensorRT engine", IN_IMAGE)
    else:
        yield from _compare(".".join(map(str, header[VERSION])), engine, release)


def _compare(built_by: str, engine: EngineFacts | None, release: str) -> Iterator[Fault]:
    if engine is None:
        text = f"was built by TensorRT {built_by}: whether Triton {release} carries it cannot be told here"
        yield Fault(text, IN_IMAGE, "note")
        return
    if _three(engine.tensorrt) != _three(built_by):
        yield Fault(f"was built by TensorRT {built_by}, the manifest says {engine.tensorrt}", IN_IMAGE)
    elif engine.triton_release is None:
        text = (
            f"was built by TensorRT {built_by} outside Triton's image: whether {release} carries it cannot be told here"
        )
        yield Fault(text, IN_IMAGE, "note")
    elif engine.triton_release != release:
        text = f"was built by TensorRT {built_by} of Triton {engine.triton_release}, Triton {release} is to serve it"
        yield Fault(text, IN_IMAGE)
    here = gpus("compute_cap")
    if here and engine.compute_capability not in here and not engine.hardware_compatible:
        text = f"was built for compute capability {engine.compute_capability}, the GPU here has {', '.join(here)}"
        yield Fault(text, "build it on this GPU, or with --hardware-compatible: make export-gpu, in a checkout")


def _three(version: str) -> list[str]:
    """Major, minor and patch: the fourth number counts builds, and bindings have another than their library."""
    return version.split(".")[:3]

"""AOTInductor packages, by what they say of themselves, without PyTorch."""

from collections.abc import Iterator
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup

from tritonrepo.repository.findings import AGAIN, Fault
from tritonrepo.repository.host import gpus, installed
from tritonrepo.repository.package import NoPackageError, PackageFacts, lacking, read_facts

BATCHED_SINCE = "26.07"
"""The first Triton release whose pytorch backend batches packages."""
PLACES = {"cpu": "KIND_CPU", "cuda": "KIND_GPU"}


def examine(artifact: Path, config: ModelConfig, release: str) -> Iterator[Fault]:
    """What keeps the pytorch backend of Triton `release` from loading the file under this configuration.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        facts = read_facts(artifact)
    except NoPackageError as exc:
        yield Fault(f"{artifact.name} {exc}")
        return
    yield from _age(facts, config, release)
    yield from _place(facts, config)
    yield from _input(facts, config)


def _age(facts: PackageFacts, config: ModelConfig, release: str) -> Iterator[Fault]:
    if config.max_batch_size > 0 and release < BATCHED_SINCE:
        text = f"Triton {release} does not batch packages of AOTInductor; releases from {BATCHED_SINCE} on do"
        yield Fault(text, f"serve it with Triton {BATCHED_SINCE} or later, or export torchscript")
    here, built = installed("torch"), f"was compiled by PyTorch {facts.torch or 'of a release that it does not name'}"
    target = f"{facts.device or 'a device that it does not name'}{f', {facts.cpu}' if facts.cpu else ''}"
    server = f"the embedded server here runs PyTorch {here}" if here else "there is no PyTorch here"
    text = f"{built} for {target}; {server}, the image of Triton {release} its own: whether it loads there, that tells"
    yield Fault(text, "where the image refuses it, export in an environment with the image's PyTorch", "note")


def _place(facts: PackageFacts, config: ModelConfig) -> Iterator[Fault]:
    """Machine code for a CPU reads the host's memory, that for a GPU the device's."""
    wanted = PLACES.get(facts.device)
    kinds = {ModelInstanceGroup.Kind.Name(group.kind) for group in config.instance_group} or {"KIND_AUTO"}
    alone = kinds == {wanted} or (kinds == {"KIND_AUTO"} and bool(gpus("name")) == (facts.device == "cuda"))
    if wanted and not alone:
        text = f"was compiled for {facts.device}, the configuration places it by {', '.join(sorted(kinds))}"
        yield Fault(text, f"write instance_group [ {{ kind: {wanted} }} ], or {AGAIN}")
    if missing := lacking(facts):
        text = f"was compiled for {facts.cpu}, and the CPU here has no {', '.join(missing)}: the server would die of it"
        yield Fault(text, "export it on this machine with --cpu-isa native")
    here = gpus("compute_cap")
    built_for = facts.compute_capability
    if (
        facts.device == "cuda"
        and here
        and built_for
        and built_for.replace(".", "") not in {c.replace(".", "") for c in here}
    ):
        yield Fault(f"was compiled for compute capability {built_for}, the GPU here has {', '.join(here)}")


def _input(facts: PackageFacts, config: ModelConfig) -> Iterator[Fault]:
    """The backend checks nothing of it, and the package reads beyond a tensor that is smaller than its own."""
    if 0 < facts.largest_batch < config.max_batch_size:
        text = (
            f"was compiled for batches of up to {facts.largest_batch}, the configuration allows {config.max_batch_size}"
        )
        yield Fault(text, f"write max_batch_size: {facts.largest_batch}, or {AGAIN}")
    asked = [f"{DataType.Name(one.data_type).removeprefix('TYPE_')} {list(one.dims)}" for one in config.input]
    if facts.input and asked and asked != [facts.input]:
        yield Fault(f"was compiled for the input {facts.input}, the configuration has {', '.join(asked)}")

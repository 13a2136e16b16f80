"""ONNX files. The only module of this room that needs the package onnx."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

from tritonrepo.repository.findings import Fault

ONNXRUNTIME_OF_TRITON = {"26.07": (1, 27)}
"""From Triton's release notes. A later release carries the same or a newer ONNX Runtime."""
OLDEST_ONNXRUNTIME = (1, 17)
LIMITS = {(1, 17): (20, 9), (1, 18): (21, 10), (1, 23): (23, 11)}
"""Newest operator set and IR version that an ONNX Runtime reads, from its compatibility table; later ones read more."""
TYPES = {"FLOAT": "FP32", "FLOAT16": "FP16", "DOUBLE": "FP64", "BFLOAT16": "BF16"}
"""Where ONNX and Triton name a datatype differently."""


def examine(artifact: Path, config: ModelConfig, release: str) -> Iterator[Fault]:
    """What keeps the onnxruntime backend of Triton `release` from loading the file under this configuration.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        model = onnx.load(artifact, load_external_data=False)
    except (DecodeError, ValueError) as exc:
        yield Fault(f"{artifact.name} cannot be read: {exc}")
        return
    if not model.graph.output:
        yield Fault(f"{artifact.name} ({artifact.stat().st_size} bytes) holds no graph")
        return
    yield from _age(model, release)
    constants = {tensor.name for tensor in model.graph.initializer}
    needed = {tensor.name for tensor in model.graph.input} - constants
    if config.input and not needed <= {tensor.name for tensor in config.input}:
        yield Fault(f"the graph needs the inputs {', '.join(sorted(needed))}, the configuration lacks one of them")
    yield from _tensors("input", config.input, model.graph.input, config.max_batch_size > 0)
    yield from _tensors("output", config.output, model.graph.output, config.max_batch_size > 0)


def _age(model: onnx.ModelProto, release: str) -> Iterator[Fault]:
    runtime = max((v for r, v in ONNXRUNTIME_OF_TRITON.items() if r <= release), default=OLDEST_ONNXRUNTIME)
    opset_limit, ir_limit = max(limits for known, limits in LIMITS.items() if known <= runtime)
    name = f"ONNX Runtime {runtime[0]}.{runtime[1]} (Triton {release})"
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    for what, actual, limit in (("opset", opset, opset_limit), ("IR version", model.ir_version, ir_limit)):
        if actual > limit:
            yield Fault(f"{what} {actual} is newer than {limit}, the newest that {name} is known to read")


def _tensors(
    kind: str, configured: Iterable[ModelInput | ModelOutput], held: Iterable[onnx.ValueInfoProto], batched: bool
) -> Iterator[Fault]:
    """The onnxruntime backend's rules: the names are the graph's, the datatypes and dimensions agree with them."""
    known = {tensor.name: tensor.type.tensor_type for tensor in held}
    for tensor in configured:
        if tensor.name not in known:
            names = ", ".join(known)
            yield Fault(f"the configuration has the {kind} {tensor.name}, the graph's are {names}")
            continue
        name = onnx.TensorProto.DataType.Name(known[tensor.name].elem_type)
        datatype = "TYPE_" + TYPES.get(name, name)
        if datatype != DataType.Name(tensor.data_type):
            yield Fault(
                f"{tensor.name} is {DataType.Name(tensor.data_type)} in the configuration, {datatype} in the graph"
            )
        asked = [*([-1] if batched else []), *(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)]
        actual = [side.dim_value if side.HasField("dim_value") else -1 for side in known[tensor.name].shape.dim]
        if not _agree(asked, actual, batched, exact=kind == "output"):
            yield Fault(f"{tensor.name} is {asked} in the configuration, {actual} in the graph (-1: free)")


def _agree(asked: list[int], actual: list[int], batched: bool, *, exact: bool) -> bool:
    """Whether the configured sides fit the graph's: a free side of the graph takes any number, unless `exact`."""
    if batched and actual and actual[0] != -1:
        return False
    if not actual:
        return all(side == 1 for side in asked)
    return len(asked) == len(actual) and all(
        side == wanted or (side == -1 and not exact) for side, wanted in zip(actual, asked, strict=True)
    )

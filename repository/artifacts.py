"""What is wrong with one artifact: would the Triton that is to serve it load it, under this configuration?"""

import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
from google.protobuf.message import DecodeError
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

AGAIN = "export it again"
IN_IMAGE = "build it in the image that serves: make export-gpu"

ONNXRUNTIME_OF_TRITON = {"26.07": (1, 27)}
"""From Triton's release notes. A later release carries the same or a newer ONNX Runtime."""
OLDEST_ONNXRUNTIME = (1, 17)
ONNX_LIMITS = {(1, 17): (20, 9), (1, 18): (21, 10), (1, 23): (23, 11)}
"""Newest operator set and IR version that an ONNX Runtime reads, from its compatibility table; later ones read more."""
ONNX_TYPES = {"FLOAT": "FP32", "FLOAT16": "FP16", "DOUBLE": "FP64", "BFLOAT16": "BF16"}
"""Where ONNX and Triton name a datatype differently."""

TORCHSCRIPT_MEMBERS = ("/constants.pkl", "/model.json")
"""One of them is in every archive of torch.jit.save, new or old, and in none of torch.save."""

PLAN_TAG = b"ftrt"
RTX_PLAN_TAG = b"vtrt"
PLAN_VERSION = slice(24, 28)
"""Where a plan holds the four numbers of the TensorRT that built it, as trtexec --getPlanVersionOnly reads it."""

Level = Literal["ok", "note", "fail"]


@dataclass(frozen=True)
class Fault:
    """What is wrong, and what mends it. Only `fail` means that the artifact would not load."""

    text: str
    remedy: str = AGAIN
    level: Level = "fail"


def examine(
    artifact: Path, backend: str, config: ModelConfig, conversion: Mapping[str, Any], release: str
) -> Iterator[Fault]:
    """Every fault of an artifact that Triton `release` is to load with `backend`. `conversion`: the manifest's.

    Raises OSError if the file cannot be read.
    """
    if backend == "onnxruntime":
        yield from _onnx(artifact, config, release)
    elif backend == "pytorch" and artifact.suffix != ".py":
        yield from _torchscript(artifact)
    elif backend == "tensorrt":
        yield from _plan(artifact, conversion, release)


def _onnx(artifact: Path, config: ModelConfig, release: str) -> Iterator[Fault]:
    try:
        model = onnx.load(artifact, load_external_data=False)
    except (DecodeError, ValueError) as exc:
        yield Fault(f"{artifact.name} cannot be read: {exc}")
        return
    if not model.graph.output:
        yield Fault(f"{artifact.name} ({artifact.stat().st_size} bytes) holds no graph")
        return
    runtime = max((v for r, v in ONNXRUNTIME_OF_TRITON.items() if r <= release), default=OLDEST_ONNXRUNTIME)
    opset_limit, ir_limit = max(limits for known, limits in ONNX_LIMITS.items() if known <= runtime)
    name = f"ONNX Runtime {runtime[0]}.{runtime[1]} (Triton {release})"
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    for what, actual, limit in (("opset", opset, opset_limit), ("IR version", model.ir_version, ir_limit)):
        if actual > limit:
            yield Fault(f"{what} {actual} is newer than {limit}, the newest that {name} is known to read")
    constants = {tensor.name for tensor in model.graph.initializer}
    needed = {tensor.name for tensor in model.graph.input} - constants
    if config.input and not needed <= {tensor.name for tensor in config.input}:
        yield Fault(f"the graph needs the inputs {', '.join(sorted(needed))}, the configuration lacks one of them")
    yield from _tensors("input", config.input, model.graph.input, config.max_batch_size > 0)
    yield from _tensors("output", config.output, model.graph.output, config.max_batch_size > 0)


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
        datatype = "TYPE_" + ONNX_TYPES.get(name, name)
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


def _torchscript(artifact: Path) -> Iterator[Fault]:
    try:
        with zipfile.ZipFile(artifact) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        yield Fault(f"{artifact.name} is not a TorchScript archive: it is no ZIP file, or is cut off")
        return
    if not any(name.endswith(TORCHSCRIPT_MEMBERS) for name in names):
        yield Fault(f"{artifact.name} is not a TorchScript archive: torch.save wrote it, or another program")


def _plan(artifact: Path, engine: Mapping[str, Any], release: str) -> Iterator[Fault]:
    with artifact.open("rb") as file:
        header = file.read(PLAN_VERSION.stop)
    if header[:4] == RTX_PLAN_TAG:
        yield Fault("was built by TensorRT for RTX; Triton serves TensorRT engines alone", IN_IMAGE)
        return
    if header[:4] != PLAN_TAG or len(header) < PLAN_VERSION.stop:
        yield Fault(f"{artifact.name} is not a TensorRT engine", IN_IMAGE)
        return
    built_by = ".".join(map(str, header[PLAN_VERSION]))
    if _three(str(engine.get("tensorrt"))) != _three(built_by):
        text = f"was built by TensorRT {built_by}, the manifest says {engine.get('tensorrt')}"
        yield Fault(text, IN_IMAGE)
    elif engine.get("triton_release") is None:
        text = (
            f"was built by TensorRT {built_by} outside Triton's image: whether {release} carries it cannot be told here"
        )
        yield Fault(text, IN_IMAGE, "note")
    elif engine["triton_release"] != release:
        text = f"was built by TensorRT {built_by} of Triton {engine['triton_release']}, .env pins {release}"
        yield Fault(text, IN_IMAGE)
    here = gpus("compute_cap")
    built_for = engine.get("compute_capability")
    if here and built_for not in here and not engine.get("hardware_compatible"):
        text = f"was built for compute capability {built_for}, the GPU here has {', '.join(here)}"
        yield Fault(text, "build it on this GPU, or with --hardware-compatible: make export-gpu")


def _three(version: str) -> list[str]:
    """Major, minor and patch: the fourth number counts builds, and bindings have another than their library."""
    return version.split(".")[:3]


def gpus(fields: str) -> list[str]:
    """The fields of each GPU, as nvidia-smi lists them; empty without a GPU."""
    return answer("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader").splitlines()


def answer(*command: str) -> str:
    """What a program prints, or nothing if it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

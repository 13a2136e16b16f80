"""PyTorch module -> FP16 TensorRT engine, for Triton's tensorrt backend. The only importer of TensorRT.

The precision comes from the ONNX graph: the network is strongly typed, which is the one way that TensorRT 10 and 11
share. Every function that builds takes the TensorRT module, `tensorrt` on a host with a GPU or `tensorrt_rtx_bindings`
without one: the same code, with NVIDIA's real parser and compiler, is what the tests run. Deserialising and running an
engine needs a GPU: `Session` and `environment` have not run on one in this repository's CI.
"""

import functools
import importlib
import importlib.util
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.client.errors import MissingError
from tritonrepo.export import to_onnx_fp16
from tritonrepo.export.errors import ConversionError, NotPublishableError
from tritonrepo.export.ngc import cache_directory
from tritonrepo.repository.config import EngineOptions
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME

MIB = 1 << 20
RUNTIMES = ("tensorrt", "tensorrt_bindings")
"""The metapackage, and the bindings alone beside libraries that the system has, as in Triton's image."""
COMPILER = "tensorrt_rtx_bindings"
HEAVY_LAYERS = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
"""Where the time goes, and so what must be FP16."""
SHOWN_ERRORS = 5


@dataclass(frozen=True)
class Engine:
    """A serialised engine and what its network was made of."""

    plan: bytes
    layers: int
    fp16_layers: int
    convolutions: int
    fp16_convolutions: int

    def __str__(self) -> str:
        return (
            f"{self.layers} layers, {self.fp16_layers} in FP16 ({self.fp16_convolutions} of {self.convolutions} "
            f"convolutions), {len(self.plan) / 1e6:.1f} MB"
        )

    def as_dict(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self).items() if key != "plan"}


def convert(
    module: nn.Module,
    image_shape: tuple[int, int, int],
    path: Path,
    batches: tuple[int, int, int],
    options: EngineOptions,
) -> dict[str, object]:
    """Write `module` (FP32 `[N, *image_shape]` -> `[N, classes]`) to `path` as an engine for `batches`, the smallest,
    the preferred and the largest.

    Returns what the manifest records. Raises `NotPublishableError` where there is no GPU and the engine was compiled
    all the same, `MissingError` where nothing can compile it, `ConversionError` if TensorRT refuses the network.
    """
    trt = find_tensorrt()
    onnx = path.with_name("model.onnx")
    to_onnx_fp16.convert(module, image_shape, onnx)
    if trt.__name__ == COMPILER:
        engine = build(trt, onnx, batches, options)
        raise NotPublishableError(f"compiles: {engine}; not published, needs a GPU")
    engine = build(trt, onnx, batches, options, timing_cache(trt))
    path.write_bytes(engine.plan)
    return describe(engine, options, environment(trt))


def find_tensorrt() -> ModuleType:
    """TensorRT where there is a GPU, else TensorRT for RTX, which compiles without one. Raises `MissingError`."""
    names = RUNTIMES if torch.cuda.is_available() else (COMPILER,)
    for name in names:
        if importlib.util.find_spec(name) is not None:
            return _import(name)
    if torch.cuda.is_available():
        raise MissingError("tensorrt: the package is not installed; pip install tensorrt, or run: make export-gpu")
    raise MissingError(
        "tensorrt: needs an NVIDIA GPU (on a GPU host: make export-gpu). To check without one that the network "
        "compiles: pip install '.[tensorrt-check]'"
    )


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as exc:  # the bindings are there, and the libraries of their version are not
        raise MissingError(f"tensorrt: {name} is installed and does not load: {exc}; run: make export-gpu") from exc


def describe(engine: Engine, options: EngineOptions, environment: dict[str, object]) -> dict[str, object]:
    """What the manifest records of an engine. The GPU's own compute capability replaces the compile check's."""
    return {**asdict(options), **environment, **engine.as_dict()}


def environment(trt: ModuleType) -> dict[str, object]:
    """What an engine is tied to: the TensorRT that built it, the GPU, and the image if it was built in one."""
    major, minor = torch.cuda.get_device_capability()
    return {
        "tensorrt": trt.__version__,
        "gpu": torch.cuda.get_device_name(),
        "compute_capability": f"{major}.{minor}",
        "triton_release": os.environ.get("NVIDIA_TRITON_SERVER_VERSION"),
    }


def timing_cache(trt: ModuleType) -> Path:
    """The file in which measured kernels are kept: of use to this TensorRT on this kind of GPU alone."""
    gpu = torch.cuda.get_device_name().replace(" ", "-").replace("/", "-")
    return cache_directory() / f"tensorrt-{trt.__version__}-{gpu}.timing"


def build(
    trt: ModuleType, onnx: Path, batches: tuple[int, int, int], options: EngineOptions, cache: Path | None = None
) -> Engine:
    """Parse `onnx`, prove that it is FP16, and compile it for `batches`: smallest, preferred, largest.

    The measurements of kernels are read from the file `cache`, if it exists, and kept there.

    Raises `ConversionError` naming the node that TensorRT cannot parse, the layers that are not FP16, or what the
    compiler said.
    """
    log = _log(trt)
    log.messages.clear()
    builder = trt.Builder(log)
    network = _parse(trt, builder, onnx)
    facts = _prove_fp16(network)
    config = _configure(trt, builder, network, batches, options)
    if cache is not None:
        _use_timing_cache(config, cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ConversionError(f"TensorRT {trt.__version__} cannot build the engine: {_advice(log.messages, options)}")
    if cache is not None:
        _keep_timing_cache(config, cache)
    return Engine(bytes(plan), **facts)


@functools.cache
def _log(trt: ModuleType) -> Any:
    """TensorRT keeps the first logger that it is given for as long as the process lives, so there is one."""

    ilogger: Any = trt.ILogger

    class Log(ilogger):  # type: ignore[misc]  # the class of a module that is chosen at run time
        def __init__(self) -> None:
            super().__init__()
            self.messages: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.messages.append(message)

    return Log()


def _parse(trt: ModuleType, builder: Any, onnx: Path) -> Any:
    # TensorRT 11 types every network strongly and ignores the flag; 10 needs it.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse_from_file(str(onnx)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        shown = "; ".join(_describe(error) for error in errors[:SHOWN_ERRORS])
        raise ConversionError(f"TensorRT {trt.__version__} cannot parse {onnx.name}, {len(errors)} error(s): {shown}")
    return network


def _describe(error: Any) -> str:
    where = f"node {error.node_name()!r} ({error.node_operator()})" if error.node_operator() else "the file"
    return f"{where}: {error.code().name}: {error.desc()}"


def _prove_fp16(network: Any) -> dict[str, int]:
    """Count the layers; raises `ConversionError` unless the layers where the time goes are all FP16.

    In a strongly typed network the compiler must compute a layer in the type that the network gives its output.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    precision = {layer.name: layer.get_output(0).dtype.name for layer in layers}
    wrong = [x.name for x in layers if x.type.name in HEAVY_LAYERS and precision[x.name] != "HALF"]
    if wrong:
        shown = ", ".join(f"{name} is {precision[name]}" for name in wrong[:SHOWN_ERRORS])
        raise ConversionError(
            f"TensorRT: {len(wrong)} layer(s) would not run in FP16: {shown}; the ONNX graph must be FP16 inside"
        )
    convolutions = Counter(precision[layer.name] for layer in layers if layer.type.name == "CONVOLUTION")
    return {
        "layers": len(layers),
        "fp16_layers": sum(name == "HALF" for name in precision.values()),
        "convolutions": convolutions.total(),
        "fp16_convolutions": convolutions["HALF"],
    }


def _configure(
    trt: ModuleType, builder: Any, network: Any, batches: tuple[int, int, int], options: EngineOptions
) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib * MIB)
    config.builder_optimization_level = options.optimisation_level
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if trt.__name__ == COMPILER:
        config.num_compute_capabilities = 1
        config.set_compute_capability(_compute_capability(trt, options.compute_capability), 0)
    profile = builder.create_optimization_profile()
    tensor = network.get_input(0)
    if tensor.shape[0] != -1:
        raise ConversionError(
            f"TensorRT: the ONNX graph fixes the batch dimension of {tensor.name} at {tensor.shape[0]}"
        )
    profile.set_shape(tensor.name, *((batch, *tensor.shape[1:]) for batch in batches))
    if config.add_optimization_profile(profile) < 0:
        raise ConversionError(f"TensorRT: no profile of batches {batches}: each must be at least the one before")
    return config


def _compute_capability(trt: ModuleType, version: str) -> Any:
    known = {name: value for name, value in trt.ComputeCapability.__members__.items() if name.startswith("SM")}
    wanted = f"SM{version.replace('.', '')}"
    if wanted not in known:
        shown = ", ".join(f"{name[2:-1]}.{name[-1]}" for name in known)
        raise ConversionError(f"TensorRT for RTX cannot compile for compute capability {version}; it knows {shown}")
    return known[wanted]


def _use_timing_cache(config: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TensorRT for RTX has the calls, and no use for them
        config.set_timing_cache(config.create_timing_cache(path.read_bytes() if path.exists() else b""), False)


def _keep_timing_cache(config: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        data = bytes(config.get_timing_cache().serialize())
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def _advice(messages: Sequence[str], options: EngineOptions) -> str:
    said = " ".join(" ".join(messages).split()) or "it gave no reason"
    if "workspace" in said or "OutOfMemory" in said:
        return f"the workspace of {options.workspace_mib} MiB may be too small, raise it with --workspace-mib; {said}"
    return said


class Session:
    """An engine on the first GPU, called with images `[N, 3, H, W]`, gives logits `[N, classes]`, both FP32.

    torch owns the device memory and the stream. A call raises `RuntimeError` if the engine does not run.
    """

    def __init__(self, trt: ModuleType, plan: bytes) -> None:
        self._log = _log(trt)
        self._log.messages.clear()
        self._runtime = trt.Runtime(self._log)
        self._runtime.engine_host_code_allowed = True  # a version-compatible engine carries some, and this is our own
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ConversionError(f"TensorRT {trt.__version__} cannot load the engine: {' '.join(self._log.messages)}")
        self._context = self._engine.create_execution_context()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        given = torch.from_numpy(images).cuda()
        if not self._context.set_input_shape(INPUT_NAME, tuple(given.shape)):
            raise RuntimeError(f"the engine's profile does not allow the shape {list(given.shape)}")
        logits = torch.empty(tuple(self._context.get_tensor_shape(OUTPUT_NAME)), dtype=torch.float32, device="cuda")
        self._context.set_tensor_address(INPUT_NAME, given.data_ptr())
        self._context.set_tensor_address(OUTPUT_NAME, logits.data_ptr())
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())  # the copy of the images
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError(f"TensorRT could not run the engine: {' '.join(self._log.messages)}")
        stream.synchronize()
        result: NDArray[np.float32] = logits.cpu().numpy()
        return result


def load(path: Path) -> Session:
    """The engine, ready to run on the first GPU. Raises `ConversionError` if it does not load."""
    return Session(find_tensorrt(), path.read_bytes())

"""An ONNX graph of FP16 into a serialised engine."""

import os
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tritonrepo.export.errors import ConversionError
from tritonrepo.export.options import EngineOptions
from tritonrepo.export.tensorrt.library import COMPILER, log

MIB = 1 << 20
HEAVY_LAYERS = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
"""Where the time goes, and so what must be FP16."""
MOVERS = ("SHUFFLE", "IDENTITY")
"""Layers that leave numbers as they are."""
SHOWN_ERRORS = 5
Batches = tuple[int, int, int]
"""The smallest, the preferred and the largest batch that an engine runs."""


@dataclass(frozen=True)
class Engine:
    """A serialised engine and what its network was made of.

    Attributes:
        plan: The engine.
        layers: How many the network has.
        fp16_layers: How many of them compute in FP16.
        convolutions: How many layers are convolutions.
        fp16_convolutions: How many of these compute in FP16.
        int8_convolutions: How many of these compute in INT8.
    """

    plan: bytes
    layers: int
    fp16_layers: int
    convolutions: int
    fp16_convolutions: int
    int8_convolutions: int = 0

    def __str__(self) -> str:
        """Its layers and its size, for a person."""
        if self.int8_convolutions:
            return (
                f"{self.layers} layers, {self.int8_convolutions} of {self.convolutions} convolutions in INT8, "
                f"{len(self.plan) / 1e6:.1f} MB"
            )
        return (
            f"{self.layers} layers, {self.fp16_layers} in FP16 ({self.fp16_convolutions} of {self.convolutions} "
            f"convolutions), {len(self.plan) / 1e6:.1f} MB"
        )


def build(
    trt: ModuleType,
    onnx: Path,
    batches: Batches,
    options: EngineOptions,
    cache: Path | None = None,
    kept: Collection[str] | None = None,
) -> Engine:
    """Parse `onnx`, prove its precision, and compile it for `batches`.

    Args:
        trt: The TensorRT module.
        onnx: The graph.
        batches: What the engine is to run.
        options: How it is built.
        cache: A file of measured kernels; read if it is there, and kept.
        kept: For INT8, the nodes that stay in FP32. None: every layer must be FP16.

    Raises:
        ConversionError: TensorRT cannot parse a node, a layer has another precision, or the compiler refuses the
            network.
    """
    said = log(trt)
    said.messages.clear()
    builder = trt.Builder(said)
    network = _parse(trt, builder, onnx)
    facts = _prove_fp16(network) if kept is None else _prove_int8(network, kept)
    config = _configure(trt, builder, network, batches, options)
    if cache is not None:
        _use_timing_cache(config, cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ConversionError(f"TensorRT {trt.__version__} cannot build the engine: {_advice(said.messages, options)}")
    if cache is not None:
        _keep_timing_cache(config, cache)
    return Engine(bytes(plan), **facts)


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
    """Count the layers. Raises `ConversionError` unless the layers where the time goes are all FP16.

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


def _prove_int8(network: Any, kept: Collection[str]) -> dict[str, int]:
    """Count the layers. Raises `ConversionError` unless those where the time goes multiply INT8, but for `kept`.

    In a strongly typed network the compiler computes a layer in INT8 where both of its factors come out of INT8.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    makers = {layer.get_output(index).name: layer for layer in layers for index in range(layer.num_outputs)}
    heavy = [layer for layer in layers if layer.type.name in HEAVY_LAYERS]
    rounded = {layer.name for layer in heavy if all(_from_int8(layer.get_input(index), makers) for index in (0, 1))}
    wrong = [layer.name for layer in heavy if layer.name not in rounded and layer.name not in kept]
    if wrong:
        raise ConversionError(
            f"TensorRT: {len(wrong)} layer(s) would not run in INT8: {', '.join(wrong[:SHOWN_ERRORS])}; the ONNX graph "
            "must round both of their factors"
        )
    convolutions = [layer.name for layer in heavy if layer.type.name == "CONVOLUTION"]
    return {
        "layers": len(layers),
        "fp16_layers": 0,
        "convolutions": len(convolutions),
        "fp16_convolutions": 0,
        "int8_convolutions": sum(name in rounded for name in convolutions),
    }


def _from_int8(tensor: Any, makers: Mapping[str, Any]) -> bool:
    """Whether a tensor is INT8 that was scaled, and at most turned or cut anew since."""
    maker = None if tensor is None else makers.get(tensor.name)
    while maker is not None and maker.type.name in MOVERS:
        maker = makers.get(maker.get_input(0).name)
    return maker is not None and maker.type.name == "DEQUANTIZE" and maker.get_input(0).dtype.name == "INT8"


def _configure(trt: ModuleType, builder: Any, network: Any, batches: Batches, options: EngineOptions) -> Any:
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

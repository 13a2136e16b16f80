"""Stand-in for Triton's onnxruntime backend: ONNX Runtime or OpenVINO on the CPU, with the official backend's rules.

It refuses what the official backend refuses when it loads a model, and honours the same parameters. Unlike it, it
cannot complete a configuration without inputs and outputs, share a session between instances (each is a process), or
serve sequences, ragged batches and strings.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from tritonrepo.repository.on_openvino import OpenVinoSession
from tritonrepo.serve.backends.accelerators import load_accelerated, read_accelerator
from tritonrepo.serve.backends.batching import OutputError, Tensors, answer
from tritonrepo.serve.backends.settings import (
    ConfigurationError,
    find_model_file,
    read_bool,
    read_int,
    read_parameter,
    refuse_unsupported,
)

DATA_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}
# `optimization { graph { level } }`: the official backend's table; every other level means all optimisations.
OPTIMIZATION_LEVELS = {
    -1: ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
EXECUTION_MODES = {0: ort.ExecutionMode.ORT_SEQUENTIAL, 1: ort.ExecutionMode.ORT_PARALLEL}
INITIALIZER_ALLOCATOR = "session.use_device_allocator_for_initializers"
ARENA_SHRINKAGE = "memory.enable_memory_arena_shrinkage"
Session: TypeAlias = ort.InferenceSession | OpenVinoSession


class TritonPythonModel:
    """One instance of a model. Triton calls it from one thread."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the model; Triton calls it once.

        Raises:
            ConfigurationError: The official backend would not load it, or the stand-in cannot serve it.
        """
        config = json.loads(args["model_config"])
        refuse_unsupported(config)
        path = find_model_file(args, config, "model.onnx")
        self.session = load_session(path / "model.onnx" if path.is_dir() else path, config)
        validate(config, self.session)
        self.batched = config["max_batch_size"] > 0
        self.outputs = [tensor["name"] for tensor in config["output"]]
        # An input or output without dimensions has those of the configuration outside of the model.
        inputs = (*self.session.get_inputs(), *self.session.get_overridable_initializers())
        self.scalars = {tensor.name for tensor in inputs if not tensor.shape}
        known = {tensor.name: tensor.shape for tensor in self.session.get_outputs()}
        self.scalar_dims = {one["name"]: read_dims(one) for one in config["output"] if not known[one["name"]]}
        self.run_options = ort.RunOptions()
        if (shrinkage := read_parameter(config, ARENA_SHRINKAGE)) is not None:
            self.run_options.add_run_config_entry(ARENA_SHRINKAGE, shrinkage)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Return a response for each of Triton's requests."""
        return answer(requests, self.run, batched=self.batched)

    def run(self, inputs: Tensors) -> Tensors:
        """Return the outputs of the model, by name."""
        shaped = {name: array.reshape(()) if name in self.scalars else array for name, array in inputs.items()}
        results = self.session.run(self.outputs, shaped, self.run_options)
        return {name: self.shape(name, np.asarray(array)) for name, array in zip(self.outputs, results, strict=True)}

    def shape(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return an output in the dimensions that it has outside.

        Raises:
            OutputError: The model returned a scalar where it promised none.
        """
        if array.ndim:
            return array
        if name not in self.scalar_dims:
            raise OutputError(
                "INTERNAL", f"Failed to find the scalar output dimension for {name} in the model configuration."
            )
        return array.reshape(self.scalar_dims[name])


def load_session(path: Path, config: Mapping[str, Any]) -> Session:
    """Return the loaded model, in OpenVINO where the configuration asks for that accelerator.

    Raises:
        ConfigurationError: The runtime cannot load the file, or a setting is refused.
    """
    accelerator = read_accelerator(config)
    try:
        if accelerator is not None:
            read_options(config)  # what the official backend refuses, it refuses with this accelerator too
            return load_accelerated(path, config, accelerator)
        return ort.InferenceSession(str(path), read_options(config), providers=["CPUExecutionProvider"])
    except ConfigurationError:
        raise
    except Exception as error:  # The runtimes' exceptions share no class but this one.
        raise ConfigurationError(f"unable to load model '{config['name']}': {error}") from None


def read_options(config: Mapping[str, Any]) -> ort.SessionOptions:
    """Return the session options that the configuration asks for; without thread counts ONNX Runtime takes all cores.

    Raises:
        ConfigurationError: A value that the official backend refuses.
    """
    options = ort.SessionOptions()
    optimization = config.get("optimization", {})
    # protobuf's JSON leaves out a level of 0.
    level = int(optimization.get("graph", {}).get("level", 0))
    options.graph_optimization_level = OPTIMIZATION_LEVELS.get(level, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    mode = read_int(config, "execution_mode")
    if mode not in EXECUTION_MODES:
        raise ConfigurationError(f"model '{config['name']}', parameter execution_mode: expected 0 or 1, not {mode}")
    options.execution_mode = EXECUTION_MODES[mode]
    options.intra_op_num_threads = max(read_int(config, "intra_op_thread_count"), 0)
    options.inter_op_num_threads = max(read_int(config, "inter_op_thread_count"), 0)
    options.enable_cpu_mem_arena = read_bool(config, "enable_mem_arena", True)
    options.enable_mem_pattern = read_bool(config, "enable_mem_pattern", True)
    read_bool(config, "share_session_between_instances", False)
    if (allocator := read_parameter(config, INITIALIZER_ALLOCATOR)) is not None:
        options.add_session_config_entry(INITIALIZER_ALLOCATOR, allocator)
    for library in config.get("model_operations", {}).get("op_library_filename", []):
        options.register_custom_ops_library(library)
    return options


def validate(config: Mapping[str, Any], session: Session) -> None:
    """Compare the inputs and outputs of the configuration with the model's.

    Raises:
        ConfigurationError: They are not the same.
    """
    validate_input_count(config, session)
    inputs = {tensor.name: tensor for tensor in (*session.get_inputs(), *session.get_overridable_initializers())}
    for tensor in config["input"]:
        validate_tensor(config, tensor, "input", inputs, exact=False)
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    for tensor in config["output"]:
        validate_tensor(config, tensor, "output", outputs, exact=True)


def validate_input_count(config: Mapping[str, Any], session: Session) -> None:
    """Compare the number of inputs, optional ones aside.

    Raises:
        ConfigurationError: It is another, or an input is optional although there is a batch.
    """
    optional = [tensor["name"] for tensor in config["input"] if tensor.get("optional", False)]
    if optional and config["max_batch_size"] > 0:
        raise ConfigurationError(
            f"unable to load model '{config['name']}', optional input '{optional[0]}' is not supported for models that "
            "support batching"
        )
    provided = [tensor.name for tensor in session.get_inputs()]
    expected = len(config["input"]) - len(optional)
    if len(provided) != expected:
        raise ConfigurationError(
            f"unable to load model '{config['name']}', configuration expects {expected} inputs, model provides "
            f"{len(provided)} ({', '.join(provided)})"
        )


def validate_tensor(
    config: Mapping[str, Any], tensor: Mapping[str, Any], kind: str, known: Mapping[str, Any], *, exact: bool
) -> None:
    """Compare a tensor of the configuration with the model's: name, datatype, shape.

    A dimension that is free in the model accepts any number in the configuration, unless `exact`.

    Raises:
        ConfigurationError: They do not agree.
    """
    name = tensor["name"]
    if name not in known:
        raise ConfigurationError(
            f"unable to load model '{config['name']}', unexpected inference {kind} '{name}', allowed {kind}s are: "
            f"{', '.join(known)}"
        )
    provided = DATA_TYPES.get(known[name].type, known[name].type)
    if tensor["data_type"] != provided:
        raise ConfigurationError(
            f"unable to load model '{config['name']}', configuration expects datatype {tensor['data_type']} for {kind} "
            f"'{name}', model provides {provided}"
        )
    model_shape = [size if isinstance(size, int) else -1 for size in known[name].shape]
    where = f"model '{config['name']}', tensor '{name}'"
    validate_shape(where, model_shape, read_dims(tensor), config["max_batch_size"], exact)


def read_dims(tensor: Mapping[str, Any]) -> list[int]:
    """Return the dimensions, without the batch, in which the model has a tensor of the configuration."""
    dims = tensor["reshape"].get("shape", []) if "reshape" in tensor else tensor["dims"]
    return [int(size) for size in dims]


def validate_shape(where: str, model_shape: list[int], dims: list[int], max_batch_size: int, exact: bool) -> None:
    """Compare the model's shape of a tensor with the configuration's dims; -1 is a free dimension.

    Raises:
        ConfigurationError: They do not agree.
    """
    if not model_shape:
        if any(size != 1 for size in dims):
            raise ConfigurationError(f"{where}: the model has a scalar, and the configuration's dims are {dims}")
        return
    full = [-1, *dims] if max_batch_size > 0 else dims
    if max_batch_size > 0 and model_shape[0] != -1:
        raise ConfigurationError(
            f"{where}: for the model to support batching its first dimension must be free (-1), but its shape is "
            f"{model_shape}; export it with a dynamic batch dimension or set max_batch_size to 0"
        )
    agree = len(model_shape) == len(full) and all(
        actual == asked or (actual == -1 and not exact) for actual, asked in zip(model_shape, full, strict=True)
    )
    if not agree:
        raise ConfigurationError(
            f"{where}: the model's shape is {model_shape}, and the configuration asks for {full}"
            + (" (the batch dimension, because max_batch_size > 0, and then dims)" if max_batch_size > 0 else "")
        )

"""Stand-in for Triton's pytorch backend: TorchScript and AOTInductor on the CPU, with the official backend's rules.

It refuses what the official backend refuses, when it loads a model or when it answers, and honours the same
parameters. Unlike it, it cannot share weights between instances (each is a process) or serve sequences and strings.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from tritonrepo.serve.backends.batching import OutputError, Tensors, answer
from tritonrepo.serve.backends.pytorch.aoti import CompiledPackage
from tritonrepo.serve.backends.pytorch.torchscript import TorchScript
from tritonrepo.serve.backends.settings import (
    PLATFORM,
    ConfigurationError,
    find_model_file,
    read_bool,
    read_int,
    read_parameter,
    refuse_unsupported,
)

DATA_TYPES = {
    "TYPE_BOOL": torch.bool,
    "TYPE_UINT8": torch.uint8,
    "TYPE_INT8": torch.int8,
    "TYPE_INT16": torch.int16,
    "TYPE_INT32": torch.int32,
    "TYPE_INT64": torch.int64,
    "TYPE_FP16": torch.float16,
    "TYPE_FP32": torch.float32,
    "TYPE_FP64": torch.float64,
}
TYPE_NAMES = {dtype: name for name, dtype in DATA_TYPES.items()}
# Without effect on a CPU, or in a process that holds one instance; a value must be a boolean all the same.
IGNORED = ("ENABLE_WEIGHT_SHARING", "ENABLE_CACHE_CLEANING", "DISABLE_CUDNN")

PLATFORMS: dict[str, type[TorchScript | CompiledPackage]] = {"torch_aoti": CompiledPackage}
"""What a file is under each platform; TorchScript under every other, and under none."""


class TritonPythonModel:
    """One instance of a model. Triton calls it from one thread."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the model; Triton calls it once.

        Raises:
            ConfigurationError: The official backend would not load it, or the stand-in cannot serve it.
        """
        self.config = json.loads(args["model_config"])
        refuse_unsupported(self.config)
        refuse_optional(self.config)
        apply_settings(self.config)
        self.inference_mode = read_bool(self.config, "INFERENCE_MODE", True)
        kind = PLATFORMS.get(read_parameter(self.config, PLATFORM) or self.config.get("platform", ""), TorchScript)
        self.model = kind(find_model_file(args, self.config, kind.FILENAME), self.config)
        self.inputs = order_inputs(self.config, self.model.arguments)
        self.outputs = index_outputs(self.config)
        self.batched = self.config["max_batch_size"] > 0

    def execute(self, requests: list[Any]) -> list[Any]:
        """Return a response for each of Triton's requests."""
        return answer(requests, self.run, batched=self.batched)

    def run(self, inputs: Tensors) -> Tensors:
        """Return the outputs of the model, by name.

        Raises:
            OutputError: One of them is missing, or other than configured.
            RuntimeError: The model failed.
        """
        tensors = {name: torch.from_numpy(inputs[name]) for name in self.inputs}
        try:
            with torch.inference_mode(self.inference_mode), torch.no_grad():
                results = self.model.run(tensors)
        except Exception as error:
            raise RuntimeError(f"PyTorch execute failure: {error}") from error
        return {name: self.read_output(name, results) for name in self.outputs}

    def read_output(self, name: str, results: Sequence[Any]) -> NDArray[Any]:
        """Return one output.

        Raises:
            OutputError: It is missing, no tensor, a scalar, or of another datatype than configured.
        """
        index, dtype = self.outputs[name]
        if index >= len(results):
            raise OutputError(
                "INVALID_ARG",
                f"The output {name} in the model configuration refers to an output index which doesn't exist. This "
                f"model has {len(results)} outputs",
            )
        result = results[index]
        if not isinstance(result, torch.Tensor):
            kind = type(result).__name__
            raise OutputError("INTERNAL", f"output {name} must be of type Tensor, and the model returned a {kind}")
        if result.dtype != dtype:
            raise OutputError(
                "INVALID_ARG",
                f"configuration expects datatype {TYPE_NAMES[dtype]} for output '{name}', model provides "
                f"{TYPE_NAMES.get(result.dtype, result.dtype)}",
            )
        if result.dim() == 0:
            raise OutputError("INVALID_ARG", f"output '{name}' is a scalar which is not supported.")
        return result.numpy(force=True)


def apply_settings(config: Mapping[str, Any]) -> None:
    """Set what TorchScript keeps for the whole process; without thread counts PyTorch takes all cores.

    Raises:
        ConfigurationError: A value that the official backend refuses, or does not survive.
    """
    for key in IGNORED:
        read_bool(config, key, False)
    if (threads := read_int(config, "INTRA_OP_THREAD_COUNT")) > 0:
        torch.set_num_threads(threads)
    if read_int(config, "INTER_OP_THREAD_COUNT") > 0:
        raise ConfigurationError(
            f"model '{config['name']}', parameter INTER_OP_THREAD_COUNT: many releases of the official backend abort, "
            "with every model, when a second model sets it or one is loaded again; remove it"
        )
    optimized = not read_bool(config, "DISABLE_OPTIMIZED_EXECUTION", False)
    torch._C._set_graph_executor_optimize(optimized)
    for key, switch in (
        ("ENABLE_JIT_PROFILING", torch._C._jit_set_profiling_mode),
        ("ENABLE_JIT_EXECUTOR", torch._C._jit_set_profiling_executor),
        ("ENABLE_TENSOR_FUSER", torch._C._jit_set_texpr_fuser_enabled),
    ):
        if read_parameter(config, key) is not None:
            switch(read_bool(config, key, True))


def order_inputs(config: Mapping[str, Any], arguments: Sequence[str]) -> list[str]:
    """Return the names of the configuration's inputs in the order of the arguments of `forward`.

    The official backend's three conventions, in this order: the names are the arguments'; they end in __<index>; or
    the configuration lists them in order. It writes beyond its own memory at an index beyond the arguments.

    Args:
        config: The model's configuration.
        arguments: The names of the arguments; none where `forward` takes one dictionary, in which order means nothing.

    Raises:
        ConfigurationError: One is of a datatype that PyTorch lacks, or their indices are not those of the arguments.
    """
    names = [tensor["name"] for tensor in config["input"]]
    require_data_types(config, "input")
    if not arguments:
        return names
    named = all(name in arguments for name in names)
    indices = [arguments.index(name) for name in names] if named else read_indices(names)
    if sorted(indices) != list(range(len(arguments))):
        found = ", ".join(f"{name}: {index}" for name, index in zip(names, indices, strict=True))
        raise ConfigurationError(
            f"unable to load model '{config['name']}', its {len(arguments)} arguments need one input each, with the "
            f"indices from 0 to {len(arguments) - 1}; the configuration has {found}"
        )
    return [name for _, name in sorted(zip(indices, names, strict=True))]


def index_outputs(config: Mapping[str, Any]) -> dict[str, tuple[int, torch.dtype]]:
    """Return, for each output of the configuration, its index in what `forward` returns and its datatype.

    Raises:
        ConfigurationError: One is of a datatype that PyTorch lacks.
    """
    require_data_types(config, "output")
    indices = read_indices([tensor["name"] for tensor in config["output"]])
    return {
        tensor["name"]: (index, DATA_TYPES[tensor["data_type"]])
        for tensor, index in zip(config["output"], indices, strict=True)
    }


def read_indices(names: Sequence[str]) -> list[int]:
    """Return the <index> of each <name>__<index>, or 0, 1, 2, … if one of them has none."""
    parts = [name.partition("__")[1:] for name in names]
    if all(mark and re.fullmatch(r"\d{0,9}", index, re.ASCII) for mark, index in parts):
        return [int(index or 0) for _, index in parts]
    return list(range(len(names)))


def refuse_optional(config: Mapping[str, Any]) -> None:
    """Refuse what the official backend knows nothing of.

    Raises:
        ConfigurationError: An input is optional.
    """
    for tensor in config["input"]:
        if tensor.get("optional"):
            raise ConfigurationError(
                f"model '{config['name']}': 'optional' is set to true for input '{tensor['name']}' while the backend "
                "model doesn't support optional input"
            )


def require_data_types(config: Mapping[str, Any], kind: str) -> None:
    """Check that PyTorch has the datatypes of the inputs or outputs.

    Raises:
        ConfigurationError: One is of a datatype that it lacks.
    """
    for tensor in config[kind]:
        if tensor["data_type"] not in DATA_TYPES:
            raise ConfigurationError(
                f"unsupported datatype {tensor['data_type']} for {kind} '{tensor['name']}' for model '{config['name']}'"
            )

"""What a CPU can hand an ONNX graph to: the execution accelerator `openvino`. Runs inside the stub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tritonrepo.client.errors import MissingError
from tritonrepo.repository.on_openvino import ACCELERATOR, OpenVinoSession, require_openvino
from tritonrepo.serve.backends.settings import ConfigurationError, read_int

STREAMS = "num_streams"
"""A parameter of the accelerator, named as in ONNX Runtime's OpenVINO provider; the official backend ignores it."""


def read_accelerator(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the accelerator that the configuration asks for on a CPU, or None.

    Raises:
        ConfigurationError: The official backend does not know it, or its package is missing.
    """
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    chosen: Mapping[str, Any] | None = None
    for accelerator in accelerators.get("cpu_execution_accelerator", []):
        if accelerator["name"] != ACCELERATOR:
            raise ConfigurationError(
                f"model '{config['name']}': unknown Execution Accelerator '{accelerator['name']}' is requested; on a "
                f"CPU there is {ACCELERATOR}"
            )
        chosen = accelerator
    if chosen is not None:
        try:
            require_openvino()
        except MissingError as error:
            raise ConfigurationError(f"model '{config['name']}': {error}") from None
    return chosen


def load_accelerated(path: Path, config: Mapping[str, Any], accelerator: Mapping[str, Any]) -> OpenVinoSession:
    """Return the graph in OpenVINO, with the threads of the model's parameters and the streams of the accelerator's.

    Raises:
        ConfigurationError: A number is none.
        RuntimeError: OpenVINO cannot compile the file.
    """
    parameters = {name: {"string_value": text} for name, text in accelerator.get("parameters", {}).items()}
    streams = read_int({"name": config["name"], "parameters": parameters}, STREAMS, 1)
    return OpenVinoSession(path, read_int(config, "intra_op_thread_count"), streams)

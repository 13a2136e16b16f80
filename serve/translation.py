"""What later Triton releases read in a configuration and the embedded one, 2.51, refuses: the platform of a package.

The repository stays as it is. The server is given such a model's configuration with the request to load it.
"""

import json
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.formats import PT2
from tritonrepo.repository.layout import CONFIG_FILENAME, read_config, served_versions, version_numbers
from tritonrepo.serve.backends.settings import PLATFORM

PLATFORMS = (PT2.platform,)


def is_translated(config: ModelConfig) -> bool:
    """Whether the embedded Triton refuses the configuration as it stands."""
    return config.platform in PLATFORMS


def load_request(directory: Path) -> bytes:
    """Return the body of a request to load a model, JSON: with its configuration where that is translated."""
    try:
        return request_for(read_config(directory))
    except ConfigError:  # Triton says the same.
        return b"{}"


def request_for(config: ModelConfig) -> bytes:
    """Return the same for a configuration."""
    if not is_translated(config):
        return b"{}"
    config.parameters[PLATFORM].string_value = config.platform
    config.backend = config.backend or PT2.backend
    config.default_model_filename = config.default_model_filename or PT2.filename
    config.ClearField("platform")
    text = json.dumps(MessageToDict(config, preserving_proto_field_name=True))
    return json.dumps({"parameters": {"config": text}}).encode()


def state(directory: Path) -> tuple[object, ...]:
    """Return what changes when a model does. Triton loads anew whatever comes with a configuration, changed or not."""
    try:
        served = served_versions(read_config(directory), version_numbers(directory))
        versions = (path for number in served for path in sorted((directory / str(number)).iterdir()))
        files = (directory / CONFIG_FILENAME, *versions)
        found = ((str(path), path.stat()) for path in files)
        return tuple((path, status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found)
    except (ConfigError, OSError):  # It is being replaced: the next look finds it whole.
        return ()

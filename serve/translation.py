"""The request to load a model, with its configuration where the embedded Triton refuses that as it stands."""

import json
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.layout import CONFIG_FILENAME, read_config, served_versions, version_numbers
from tritonrepo.repository.translation import is_translated, to_json


def load_request(directory: Path) -> bytes:
    """Return the body of a request to load a model, JSON: with its configuration where that is translated."""
    try:
        return request_for(read_config(directory))
    except ConfigError:  # Triton says the same.
        return b"{}"


def request_for(config: ModelConfig, *, always: bool = False) -> bytes:
    """Return the same for a configuration; with it also where it is not translated, if `always` says so."""
    if not (always or is_translated(config)):
        return b"{}"
    return json.dumps({"parameters": {"config": to_json(config, embedded=True)}}).encode()


def state(directory: Path) -> tuple[object, ...]:
    """Return what changes when a model does."""
    try:
        served = served_versions(read_config(directory), version_numbers(directory))
        versions = (path for number in served for path in sorted((directory / str(number)).iterdir()))
        files = (directory / CONFIG_FILENAME, *versions)
        found = ((str(path), path.stat()) for path in files)
        return tuple((path, status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found)
    except (ConfigError, OSError):  # It is being replaced: the next look finds it whole.
        return ()

"""What both stand-ins read from a model's configuration, with the official backends' rules. Runs inside the stub."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
LONGEST_INTEGER = 30
"""Characters; Python refuses to convert some thousands."""
PLATFORM = "platform"
"""The parameter that holds the platform of a model where the embedded Triton knows none of that name."""
# Parts of a configuration that the official backends know and an image classifier does not need.
UNSUPPORTED = ("sequence_batching", "batch_input", "batch_output")


class ConfigurationError(ValueError):
    """A model that the official backend would refuse to load, or that its stand-in cannot serve."""


def find_model_file(args: Mapping[str, str], config: Mapping[str, Any], default: str) -> Path:
    """Return the path of the model's artifact, as `default_model_filename` or `default` name it.

    Raises:
        ConfigurationError: There is no such file.
    """
    filename = config.get("default_model_filename") or default
    path = Path(args["model_repository"], args["model_version"], filename)
    if not path.exists():
        raise ConfigurationError(f"unable to find '{path}' for model '{config['name']}'")
    return path


def read_parameter(config: Mapping[str, Any], key: str) -> str | None:
    """Return the text of a parameter, or None if the configuration has none of this name."""
    parameter = config.get("parameters", {}).get(key)
    return None if parameter is None else str(parameter["string_value"])


def read_int(config: Mapping[str, Any], key: str, default: int = 0) -> int:
    """Return an integer parameter.

    The official backends read it with C++'s stoi, which stops at the first character that is no digit, and ends the
    whole server at a number beyond 32 bits.

    Raises:
        ConfigurationError: It is not an integer, or beyond 32 bits.
    """
    text = read_parameter(config, key)
    if text is None:
        return default
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text, re.ASCII):
        raise ConfigurationError(f"model '{config['name']}', parameter {key}: failed to convert '{text}' to an integer")
    if len(text.strip()) > LONGEST_INTEGER or not -(2**31) <= int(text) < 2**31:
        raise ConfigurationError(
            f"model '{config['name']}', parameter {key}: '{text.strip()[:LONGEST_INTEGER]}' is beyond 32 bits, and the "
            "official backend ends, with every model, at such a number"
        )
    return int(text)


def read_bool(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """Return a boolean parameter: true, on, 1, false, off or 0, in either case.

    Raises:
        ConfigurationError: It is none of them.
    """
    text = read_parameter(config, key)
    if text is None:
        return default
    if text.lower() not in BOOLEANS:
        raise ConfigurationError(f"model '{config['name']}', parameter {key}: failed to convert '{text}' to a boolean")
    return BOOLEANS[text.lower()]


def refuse_unsupported(config: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for what the official backend can do, or complete, and its stand-in cannot."""
    for kind in ("input", "output"):
        if not config[kind]:
            raise ConfigurationError(f"model '{config['name']}': config.pbtxt must specify at least one {kind}")
    found = [key for key in UNSUPPORTED if config.get(key)]
    found += ["allow_ragged_batch" for tensor in config["input"] if tensor.get("allow_ragged_batch")]
    found += ["TYPE_STRING" for tensor in config["input"] + config["output"] if tensor["data_type"] == "TYPE_STRING"]
    if found:
        raise ConfigurationError(
            f"model '{config['name']}' needs {', '.join(dict.fromkeys(found))}, which the embedded Triton's stand-in "
            f"for the backend '{config['backend']}' does not support; serve it with the official image"
        )

"""The commit record: config.pbtxt, which alone says what of a model is served.

Beside Triton's own fields it holds two parameters: `highest_version`, the highest number ever given, so that none is
given twice; and `released_versions`, those that were served, in this order, so that a rollback knows where to go. The
config.pbtxt in a version directory is the record of that version without these two.
"""

from collections.abc import Sequence

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.config import to_text
from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.layout import HIGHEST, LABELS_FILENAME, parse_config

RELEASED = "released_versions"


def own_text(text: str, version: int, *, own_labels: bool = True) -> str:
    """The configuration of a version as its directory keeps it: it names this version and its labels, and no other.

    Args:
        text: A configuration, of whatever version.
        version: The number.
        own_labels: Whether the directory holds labels. If not, those that the text names stay.

    Raises:
        ConfigError: The text does not parse.
    """
    config = parse_config(text, f"the configuration of version {version}")
    for output in config.output:
        if output.label_filename and own_labels:
            output.label_filename = f"{version}/{LABELS_FILENAME}"
    _serve(config, (version,))
    for parameter in (HIGHEST, RELEASED):
        config.parameters.pop(parameter, None)
    return to_text(config)


def record_text(text: str, served: Sequence[int], released: Sequence[int], highest: int) -> str:
    """The record that serves these versions by this configuration. Raises `ConfigError`."""
    config = parse_config(text, "the configuration")
    _serve(config, served)
    config.parameters[HIGHEST].string_value = str(highest)
    config.parameters[RELEASED].string_value = " ".join(map(str, released))
    return to_text(config)


def read_numbers(config: ModelConfig, parameter: str, where: str) -> tuple[int, ...] | None:
    """The numbers in one of our parameters; None if the record has no such parameter.

    Raises:
        ConfigError: It holds something else.
    """
    if parameter not in config.parameters:
        return None
    words = config.parameters[parameter].string_value.split()
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ConfigError(f"{where}: the parameter {parameter} holds {' '.join(words)!r}, and no version numbers")
    return tuple(map(int, words))


def _serve(config: ModelConfig, versions: Sequence[int]) -> None:
    """Have the policy name these versions alone; with none of them, nothing."""
    config.version_policy.specific.SetInParent()
    config.version_policy.specific.versions[:] = versions

"""What lies where in a model repository, as Triton reads it.

ROOT/NAME/config.pbtxt     the commit record: which version is served, and how
ROOT/NAME/1/model.onnx     the artifact of version 1
ROOT/NAME/1/manifest.json  where that came from
ROOT/NAME/1/golden.npz     pictures, with the scores that the artifact gave for them when it was verified
ROOT/NAME/1/labels.txt     the names of its classes
ROOT/NAME/1/config.pbtxt   how this version is served
ROOT/NAME/1/signature.json who stands for all that lies beside it, if anybody does

Releases before commit records wrote ROOT/NAME/labels.txt, and ROOT/NAME/withdrawn.txt with the largest number of a
version that was withdrawn.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.formats import FORMATS, PT2

CONFIG_FILENAME = "config.pbtxt"
MANIFEST_FILENAME = "manifest.json"
LABELS_FILENAME = "labels.txt"
GOLDEN_FILENAME = "golden.npz"
SIGNATURE_FILENAME = "signature.json"
WITHDRAWN_FILENAME = "withdrawn.txt"

HIGHEST = "highest_version"
"""The parameter of a commit record with the highest number ever given; see `record`."""

LARGEST_VERSION = 2**63 - 1
"""Triton reads version numbers as signed 64-bit integers, and aborts at a larger one."""

PLATFORM_BACKENDS = {
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "tensorrt_plan": "tensorrt",
    PT2.platform: PT2.backend,
}
"""The names that configurations used before `backend` existed; Triton still accepts them. `torch_aoti` is a new one."""

BACKEND_FILENAMES = {
    **{format.backend: (format.filename,) for format in FORMATS.values() if not format.platform},
    "python": ("model.py",),
    "dali": ("model.dali", "dali.py"),
}
"""What each backend loads where config.pbtxt names no other file; of several the first that is there."""


def model_directories(root: Path) -> list[Path]:
    """The directories that hold a model each, by name; hidden ones are not among them. Raises `OSError`."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def is_dangling(path: Path) -> bool:
    """Whether the path is a link that leads nowhere: Triton cannot list a repository that holds one."""
    return path.is_symlink() and not path.exists()


def version_numbers(model: Path) -> list[int]:
    """The versions in a model directory, ascending, as Triton counts them: positive numbers without leading zeros."""
    if not model.is_dir():
        return []
    return sorted(int(path.name) for path in model.iterdir() if path.is_dir() and is_version(path.name))


def is_version(name: str) -> bool:
    """Whether Triton takes the name of a directory for a version's number."""
    return name.isascii() and name.isdigit() and not name.startswith("0")


def version_beyond_counting(model: Path) -> str:
    """The name of a version directory at which Triton aborts, with every model; empty if there is none.

    Triton reads names with C++'s stoll, after it has left out those with a leading zero.

    Raises:
        OSError: The directory cannot be listed.
    """
    for path in model.iterdir():
        number = re.match(r"(?!0\d)\s*([+-]?\d+)", path.name, re.ASCII)
        if number and abs(int(number[1])) > LARGEST_VERSION and path.is_dir():
            return path.name
    return ""


def read_config(model: Path) -> ModelConfig:
    """What the config.pbtxt of a model directory says.

    Raises:
        ConfigError: It is not there, cannot be read or does not parse. The message names the file.
    """
    path = model / CONFIG_FILENAME
    try:
        return parse_config(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} does not parse: {error}") from error


def parse_config(text: str, where: str) -> ModelConfig:
    """What the text of a config.pbtxt says.

    Raises:
        ConfigError: It does not parse. The message names `where`.
    """
    try:
        return text_format.Parse(text, ModelConfig())
    except text_format.ParseError as error:
        raise ConfigError(f"{where} does not parse: {' '.join(str(error).split())}") from error


def backend_of(config: ModelConfig) -> str:
    """The backend that a configuration names, itself or by the old name of its platform; empty if it names none."""
    return str(config.backend or PLATFORM_BACKENDS.get(config.platform, ""))


def serves_nothing(config: ModelConfig) -> bool:
    """Whether this is the record of a model of which no version was released yet."""
    policy = config.version_policy
    return HIGHEST in config.parameters and policy.HasField("specific") and not policy.specific.versions


def served_versions(config: ModelConfig, versions: Sequence[int]) -> list[int]:
    """The versions that Triton would load."""
    policy = config.version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return [*versions]
        case "specific":
            return [number for number in versions if number in policy.specific.versions]
        case _:
            newest = policy.latest.num_versions if policy.HasField("latest") else 1
            return [*versions[max(len(versions) - newest, 0) :]]

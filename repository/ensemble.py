"""The examination of an ensemble: whether each of its steps is there, in the version that it names."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.digest import sha256_of_tree
from tritonrepo.repository.encoded import CODE, IMAGE_PYTHON, RECORDS
from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.findings import AGAIN, Fault, Finding
from tritonrepo.repository.layout import read_config, served_versions, version_numbers

NEWEST = -1
"""The version of a step that Triton takes for the newest which is served."""
WITH = f"{AGAIN}, with --encoded"


def examine_steps(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    """What keeps Triton from putting an ensemble together; nothing for another model."""
    for step in config.ensemble_scheduling.step:
        if fault := _find_fault(directory.parent / step.model_name, step.model_version):
            yield Finding("fail", directory.name, f"its step {step.model_name} {fault}", WITH)


def _find_fault(model: Path, version: int) -> str:
    if not model.is_dir():
        return "is not in the repository"
    try:
        served = served_versions(read_config(model), version_numbers(model))
    except ConfigError as error:
        return f"cannot be read: {error}"
    if not served:
        return "has no version that is served"
    if version not in (NEWEST, *served):
        return f"is to have the version {version}, and {', '.join(map(str, served))} is served"
    return ""


def examine_code(version: Path, config: ModelConfig) -> Iterator[Fault]:
    """What is wrong with the code of a step that the exporter wrote; nothing for another model.

    Each version has the configuration that it was published with.
    """
    with suppress(ConfigError):
        config = read_config(version)
    if CODE not in config.parameters:
        return
    if sha256_of_tree(version, RECORDS) != config.parameters[CODE].string_value:
        yield Fault("the code beside model.py is not what was published: its SHA-256 is another", WITH)
    image = "cpython-{}{}".format(*IMAGE_PYTHON)
    if any(version.glob("lib/cpython-*")) and not (version / "lib" / image).is_dir():
        text = f"holds no Pillow for Python {'.'.join(map(str, IMAGE_PYTHON))}, the official image's"
        yield Fault(text, f"with access to the package index, {WITH}", level="note")

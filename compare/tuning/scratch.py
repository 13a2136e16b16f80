"""The scratch repository from which candidates are served: links to a model's files, and their own configurations.

The links are symbolic. A hard link would change the file's inode, and a server that polls the live repository would
load the model again.

Each candidate is a model directory of its own, so that several can be loaded beside each other into one server. A
server in the mode `explicit` finds a new directory when it is told to load it, and needs no new start.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.compare.tuning.knobs import with_knobs
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.subjects import Subject
from tritonrepo.repository.files import disk_errors
from tritonrepo.repository.layout import CONFIG_FILENAME
from tritonrepo.repository.staging import held_directory


class Scratch:
    """A directory that a server takes for a model repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._serial = 0

    def add(self, subject: Subject, arm: Arm) -> str:
        """Lay a candidate out.

        Returns:
            The name of its model, which no other candidate had.
        """
        self._serial += 1
        name = f"{subject.name}-{self._serial}"
        with disk_errors(f"cannot lay a candidate out in {self.root}"):
            _lay_out(subject, self.root / name)
            (self.root / name / CONFIG_FILENAME).unlink(missing_ok=True)
            config = _renamed(with_knobs(subject.config, arm.knobs), name)
            config.version_policy.specific.versions[:] = [subject.version]
            text = text_format.MessageToString(config)
            (self.root / name / CONFIG_FILENAME).write_text(text, encoding="utf-8")
        return name

    def remove(self, name: str) -> None:
        """Take a candidate away."""
        shutil.rmtree(self.root / name, ignore_errors=True)


@contextmanager
def open_scratch(repository: Path, place: Path | None = None) -> Iterator[Scratch]:
    """A scratch repository while the block runs.

    Args:
        repository: Whose models are tried.
        place: Where it is made; None: beside the repository.

    Raises:
        MissingError: Nothing can be written there.
    """
    repository = repository.resolve()
    with held_directory(place or repository.parent, f".{repository.name}.tuning-") as made:
        yield Scratch(made)


def _lay_out(subject: Subject, target: Path) -> None:
    """The files beside the versions, and the version that is served."""
    target.mkdir()
    for path in subject.directory.resolve().iterdir():
        if path.name == str(subject.version) or path.is_file():
            (target / path.name).symlink_to(path)


def _renamed(config: ModelConfig, name: str) -> ModelConfig:
    """Under another name, and without the warm-up of a start: a measurement warms up by itself."""
    config.name = name
    config.ClearField("model_warmup")
    return config

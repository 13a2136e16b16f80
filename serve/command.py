"""The command line of tritonserver."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tritonrepo.serve import key
from tritonrepo.serve.door import Door
from tritonrepo.serve.models import RepositoryModel
from tritonrepo.serve.ports import ADDRESS
from tritonrepo.serve.source import Source

ModelControlMode = Literal["explicit", "poll", "none"]


@dataclass(frozen=True)
class Settings:
    """What to serve, and how.

    Attributes:
        source: Where the models are.
        model_control_mode: Triton's word: `explicit` loads what it is told, `poll` follows the repository, `none`
            loads all of it once.
        repository_poll_secs: Seconds between two looks at the repository in the mode `poll`.
        extra_args: More words of tritonserver's own; paths in them are absolute.
        stop_grace: Seconds for the requests in flight when it must end.
        door: Where gRPC may be reached from.
    """

    source: Source
    model_control_mode: ModelControlMode
    repository_poll_secs: int
    extra_args: tuple[str, ...]
    stop_grace: float
    door: Door

    def arguments(self, directory: Path, ports: tuple[int, int, int], models: Iterable[RepositoryModel]) -> list[str]:
        """Return the words of the command line, a `$NAME` for what it must not show.

        Args:
            directory: The server's temporary directory, with the backends in it.
            ports: For HTTP, gRPC and metrics.
            models: What is in the repository.
        """
        return [
            f"--id={directory.name}",
            f"--model-repository={self.source.word(directory)}",
            f"--backend-directory={directory / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name={directory.name}",
            *listeners(ports, self.door),
            *key.ARGUMENTS,
            "--allow-gpu-metrics=false",
            # A model that cannot be loaded is reported as unavailable; the others serve.
            "--exit-on-error=false",
            "--strict-readiness=false",
            # A Python-based backend cannot complete a configuration, and would start every stub twice for trying.
            "--disable-auto-complete-config",
            f"--exit-timeout-secs={int(self.stop_grace)}",
            *self._control(models),
            *self.extra_args,
        ]

    def _control(self, models: Iterable[RepositoryModel]) -> list[str]:
        arguments = [f"--model-control-mode={self.model_control_mode}"]
        if self.model_control_mode == "explicit":
            arguments += [f"--load-model={model.name}" for model in models if not (model.left_out or model.translated)]
        if self.model_control_mode == "poll":
            arguments.append(f"--repository-poll-secs={self.repository_poll_secs}")
        return arguments


def listeners(ports: tuple[int, int, int], door: Door) -> list[str]:
    """Return where HTTP, gRPC and metrics listen: on loopback, and gRPC at its door."""
    numbers = [f"--{name}-port={port}" for name, port in zip(("http", "grpc", "metrics"), ports, strict=True)]
    return [f"--http-address={ADDRESS}", f"--metrics-address={ADDRESS}", *door.grpc_words(), *numbers]

"""One run: its figures, and everything that is needed to understand and to draw them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tritonrepo.compare.agreement import Agreement
from tritonrepo.compare.cells import Cell


@dataclass(frozen=True)
class Conditions:
    """How the run was made.

    Attributes:
        window: Seconds of a window, at least.
        windows: How many each cell got.
        most_windows: Up to how many it got while it was not stable.
        stability: How far the last windows of a stable cell differ at most.
        protocol: `grpc` or `http`.
        compression: Of the requests.
        url: The server's HOST:PORT.
        images: How many were sent in turn.
        generated: Whether they are noise, because none was given.
        image_names: Their names.
        distribution: Of an open loop's requests.
    """

    window: float
    windows: int
    most_windows: int
    stability: float
    protocol: str
    compression: str | None
    url: str
    images: int
    generated: bool
    image_names: tuple[str, ...] = ()
    distribution: str | None = None


@dataclass(frozen=True)
class Machine:
    """The machine that the load came from.

    Attributes:
        system: Its operating system.
        cpu: The processor's name.
        cores: How many it has.
        threads: How many this process may use.
        memory: GiB.
        gpus: Name, driver and memory of each, by nvidia-smi.
        python: Its version.
        libraries: Name -> version.
    """

    system: str
    cpu: str
    cores: int
    threads: int
    memory: float
    gpus: tuple[str, ...]
    python: str
    libraries: Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """What the server says of itself.

    Attributes:
        name: Its id.
        version: Triton's.
        extensions: What it can do beside the standard protocol.
    """

    name: str | None = None
    version: str | None = None
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServedModel:
    """One of the models, by its config and, where the repository is at hand, by its manifests.

    Attributes:
        name: Its name.
        versions: Those that were ready.
        backend: What runs it.
        instances: `instance_group` of its config.
        dynamic_batching: Whether the server puts requests together.
        max_batch_size: Most images in one request.
        trained: False when the weights are untrained, so that labels mean nothing.
        weights: Where they come from.
        preprocessing: How its images are prepared.
        manifests: Version -> manifest.json, or None.
    """

    name: str
    versions: tuple[str, ...] = ()
    backend: str = ""
    instances: tuple[Any, ...] = ()
    dynamic_batching: bool = False
    max_batch_size: int = 0
    trained: bool = True
    weights: Any = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    manifests: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """One run.

    Attributes:
        created: ISO 8601 with the zone.
        duration: Seconds.
        engine: What drove the load.
        engine_version: Its version.
        reference: The model that the others are held against.
        conditions: How the run was made.
        machine: Where the load came from.
        server: What was measured.
        models: Those that could be measured.
        lost: Models that could not be measured at all -> why.
        labels: Of the classes that a differing image names, by index.
        interrupted: Not all the windows were measured.
        cells: The figures, by load, the models next to each other.
        agreements: Each model against the reference.
    """

    created: str
    duration: float
    engine: str
    engine_version: str
    reference: str
    conditions: Conditions
    machine: Machine
    server: Server
    models: tuple[ServedModel, ...]
    lost: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[int, str] = field(default_factory=dict)
    interrupted: bool = False
    cells: tuple[Cell, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @property
    def models_of_cells(self) -> list[str]:
        """The models that were to be measured, in their order."""
        return list(dict.fromkeys(cell.setting.model for cell in self.cells))

    @property
    def measured_models(self) -> list[str]:
        """Those with figures."""
        return list(dict.fromkeys(cell.setting.model for cell in self.cells if cell.measured))

    @property
    def untrained(self) -> list[str]:
        """The models whose labels mean nothing."""
        return [model.name for model in self.models if not model.trained]

    @property
    def open_loop(self) -> bool:
        """Whether the load was sent by a schedule."""
        return any(cell.setting.request_rate is not None for cell in self.cells)

    def cells_of(self, model: str) -> list[Cell]:
        """The cells of one model."""
        return [cell for cell in self.cells if cell.setting.model == model]

    def peer(self, cell: Cell, model: str) -> Cell | None:
        """The other model's cell under the same load."""
        wanted = (model, *cell.setting.key[1:])
        return next((other for other in self.cells if other.setting.key == wanted), None)

    def class_name(self, index: int) -> str:
        """The label of a class, or its number where there is none."""
        return self.labels.get(index, f"class {index}")

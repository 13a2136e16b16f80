"""Models to tune, of which there is nothing but the configuration; and a bench that looks speeds up in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tests.repository.manifests import MANIFEST
from tritonrepo.compare.tuning.halving import Score
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.subjects import Subject

CONFIG = """
name: "net_onnx" backend: "onnxruntime" max_batch_size: 8
instance_group { kind: KIND_AUTO count: 1 }
dynamic_batching { default_queue_policy { max_queue_size: 256 } }
parameters { key: "trained" value { string_value: "false" } }
"""


def parse(text: str) -> ModelConfig:
    return text_format.Parse(text, ModelConfig())


def subject(name: str = "net_onnx", backend: str = "onnxruntime", size: int = 1000) -> Subject:
    config = parse(CONFIG)
    config.name, config.backend = name, backend
    artifact = replace(MANIFEST.artifact, bytes=size)
    return Subject(Path(name), config, 1, replace(MANIFEST, model=name, artifact=artifact))


class TableBench:
    """Measures by a table: each candidate's time to load, and its speed. Its clock moves by what is measured alone.

    Attributes:
        log: Each measurement: the candidate, and for how long it was.
        lost: The candidates that the table has no speed for.
    """

    def __init__(
        self, speed: Callable[[Arm], Score | None], load: float = 1.0, loads: Mapping[str, float] | None = None
    ):
        self.log: list[tuple[Arm, float]] = []
        self.lost: dict[Arm, str] = {}
        self._speed, self._load, self._loads = speed, load, loads or {}
        self._seen: set[str] = set()
        self._clock = 100.0

    def now(self) -> float:
        return self._clock

    def overhead(self, candidate: Arm) -> float:
        """Not known before the first of a model."""
        return self._time_to_load(candidate) if candidate.model in self._seen else 0.0

    def least(self, candidate: Arm) -> float:
        return 0.5

    def final(self, candidate: Arm) -> float:
        return self.overhead(candidate) + 1.5

    def measure(self, candidate: Arm, seconds: float) -> Score | None:
        self.log.append((candidate, seconds))
        self._seen.add(candidate.model)
        self._clock += self._time_to_load(candidate) + seconds
        score = self._speed(candidate)
        if score is None:
            self.lost[candidate] = "does not load"
        return score

    def _time_to_load(self, candidate: Arm) -> float:
        return self._loads.get(candidate.model, self._load)

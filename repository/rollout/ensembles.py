"""The ensemble that takes image files, when the model on which it stands is released."""

from __future__ import annotations

from dataclasses import dataclass

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository.encoded import BEST, DALI_SUFFIX, part_of
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.rollout.examine import expect
from tritonrepo.repository.rollout.golden import Expected, judge
from tritonrepo.repository.rollout.servers import Server
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.seam import Store


@dataclass(frozen=True)
class Ensemble:
    """An ensemble as it is committed.

    Attributes:
        steps: The configurations of its own steps.
        config: Its own.
        expected: What it has to answer: as the model on which it stands.
    """

    steps: tuple[ModelConfig, ...]
    config: ModelConfig
    expected: Expected

    def bring(self, server: Server) -> None:
        """Have a server serve it, and ask it. A server that had it not, for want of a backend, is left alone.

        Raises:
            ServerError: It does not, or answers wrongly.
            MissingError: It does not answer.
        """
        if self.config.name not in server.serves:
            return
        if not server.follows:
            for config in (*self.steps, self.config):
                server.load(config.name, config)
        server.wait(self.config.name, self.expected.version)
        judge(server.patient, self.expected)


def read_ensemble(store: Store, name: str) -> Ensemble:
    """Read the ensemble that is committed under this name, and what it stands on."""
    part = part_of(store, name) or ""
    config = _config(store, name)
    numbers = {step.model_name: step.model_version for step in config.ensemble_scheduling.step}
    assert part in numbers, "an ensemble names the model on which it stands"
    asked = expect(store, part, numbers[part])
    output = next(one.name for one in config.output if one.name != BEST)
    version = read_state(store, name).current
    # DALI prepares pictures a little otherwise than the exporter did.
    golden = None if name.endswith(DALI_SUFFIX) else asked.golden
    expected = Expected(name, version, asked.labels, asked.manifest, golden, output, (part, numbers[part]))
    return Ensemble(tuple(_config(store, step) for step in numbers if step != part), config, expected)


def _config(store: Store, model: str) -> ModelConfig:
    record = store.record(model)
    assert record is not None, "what is committed has a record"
    return parse_config(record.text, model)

"""What tuning may change in config.pbtxt: read from a configuration, and written into one.

None of it changes what a client may send or what it gets. Therefore the largest batch that a model *accepts* stays as
it is. What the server *forms* of single requests is limited by a preferred size instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import counted
from tritonrepo.repository.layout import backend_of
from tritonrepo.repository.on_openvino import ACCELERATOR

THREADS = {"onnxruntime": "intra_op_thread_count", "pytorch": "INTRA_OP_THREAD_COUNT"}
"""The parameter of each backend that says how many threads an operator has."""
BETWEEN_OPERATORS = "inter_op_thread_count"
"""ONNX Runtime's; the exporter sets it to 1 beside the other."""


@dataclass(frozen=True)
class Knobs:
    """How a model is run.

    Attributes:
        instances: Copies of it.
        threads: Of one operator in each copy; None: the backend's default, every core.
        queue_delay_us: How long a request may wait for others to fill a batch, in microseconds.
        preferred: The batch sizes that the server prefers to form; empty: whatever is there, up to the maximum.
        accelerator: `openvino`, or None for ONNX Runtime itself.
    """

    instances: int = 1
    threads: int | None = None
    queue_delay_us: int = 0
    preferred: tuple[int, ...] = ()
    accelerator: str | None = None

    def __str__(self) -> str:
        parts = [
            counted(self.instances, "instance"),
            "every core" if self.threads is None else counted(self.threads, "thread"),
            f"delay {self.queue_delay_us / 1000:g} ms",
            f"batches of {self.batches}",
        ]
        return ", ".join([*parts, *([self.accelerator] if self.accelerator else [])])

    @property
    def batches(self) -> str:
        """The preferred sizes in words."""
        return " ".join(map(str, self.preferred)) or "any size"


def read_knobs(config: ModelConfig) -> Knobs:
    """How a configuration has a model run.

    Raises:
        UsageError: It places the model in several ways at once, or a number in it is none.
    """
    if len(config.instance_group) > 1:
        raise UsageError(f"{config.name} has {len(config.instance_group)} instance groups, and tuning knows one alone")
    batching = config.dynamic_batching
    return Knobs(
        instances=config.instance_group[0].count or 1 if config.instance_group else 1,
        threads=_threads(config),
        queue_delay_us=int(batching.max_queue_delay_microseconds),
        preferred=tuple(batching.preferred_batch_size),
        accelerator=ACCELERATOR if ACCELERATOR in _accelerators(config) else None,
    )


def with_knobs(config: ModelConfig, knobs: Knobs) -> ModelConfig:
    """The configuration with these knobs: a copy in which only what they change is another.

    Raises:
        UsageError: As `read_knobs`.
    """
    present, changed = read_knobs(config), ModelConfig()
    changed.CopyFrom(config)
    if knobs.instances != present.instances:
        group = changed.instance_group[0] if changed.instance_group else changed.instance_group.add()
        group.count = knobs.instances
    if knobs.threads != present.threads:
        _set_threads(changed, knobs.threads)
    if knobs.accelerator != present.accelerator:
        _set_accelerator(changed, knobs.accelerator)
    if knobs.queue_delay_us != present.queue_delay_us:
        changed.dynamic_batching.max_queue_delay_microseconds = knobs.queue_delay_us
    if knobs.preferred != present.preferred:
        changed.dynamic_batching.preferred_batch_size[:] = knobs.preferred
    return changed


def _threads(config: ModelConfig) -> int | None:
    key = THREADS.get(backend_of(config))
    if key is None or key not in config.parameters:
        return None
    text = config.parameters[key].string_value
    try:
        return int(text) or None
    except ValueError as exc:
        raise UsageError(f"{config.name}: the parameter {key} is {text!r}, which is no whole number") from exc


def _set_threads(config: ModelConfig, threads: int | None) -> None:
    backend = backend_of(config)
    keys = [THREADS[backend], *([BETWEEN_OPERATORS] if backend == "onnxruntime" else [])]
    for key, value in zip(keys, (threads, 1), strict=False):
        if threads is None:
            config.parameters.pop(key, None)
        else:
            config.parameters[key].string_value = str(value)


def _accelerators(config: ModelConfig) -> list[str]:
    return [one.name for one in config.optimization.execution_accelerators.cpu_execution_accelerator]


def _set_accelerator(config: ModelConfig, accelerator: str | None) -> None:
    found = config.optimization.execution_accelerators.cpu_execution_accelerator
    if accelerator is None:
        for index in reversed([index for index, one in enumerate(found) if one.name == ACCELERATOR]):
            del found[index]
    else:
        found.add(name=accelerator)

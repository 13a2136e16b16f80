"""config.pbtxt, as a pure function of what is known of the model and the options: Triton's own ModelConfig protobuf."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import TYPE_FP32, ModelConfig, ModelInstanceGroup

from export.spec import DEFAULT_MAX_BATCH_SIZE, INPUT_NAME, LABELS_FILENAME, OUTPUT_NAME, Format, ModelSpec
from export.weights import Weights

HEADER = "# Written by `python -m export`; the next export overwrites it.\n"


@dataclass(frozen=True)
class Serving:
    """How a model is to be served: the options of `python -m export` that end in config.pbtxt."""

    max_batch_size: int = DEFAULT_MAX_BATCH_SIZE
    queue_delay_us: int = 0
    """How long the dynamic batcher may hold a request to fill a batch, in microseconds. 0: not at all."""
    instances: int = 1
    cpu_threads: int | None = None
    """Threads of one operator on a CPU. None: the backend's default, every core."""

    @property
    def warm_batches(self) -> tuple[int, ...]:
        """Batch sizes run before a model is ready: the smallest and the largest allocate and tune the most."""
        return tuple(sorted({1, self.max_batch_size}))


def model_config(spec: ModelSpec, format: Format, serving: Serving, weights: Weights) -> ModelConfig:
    """The configuration of `<spec.name>_<format.name>`, with every field set that a strict server needs."""
    config = ModelConfig(
        name=f"{spec.name}_{format.name}",
        backend=format.backend,
        default_model_filename=format.filename,
        max_batch_size=serving.max_batch_size,
    )
    config.input.add(name=INPUT_NAME, data_type=TYPE_FP32, dims=spec.image_shape)
    config.output.add(name=OUTPUT_NAME, data_type=TYPE_FP32, dims=[len(spec.labels)], label_filename=LABELS_FILENAME)
    # No preferred batch sizes: Triton advises them only where some sizes are far faster, as with a TensorRT engine
    # of several optimisation profiles.
    config.dynamic_batching.max_queue_delay_microseconds = serving.queue_delay_us
    # KIND_AUTO: on the GPU where there is one, else on the CPU, with one file for both hosts.
    config.instance_group.add(kind=ModelInstanceGroup.KIND_AUTO, count=serving.instances)
    config.version_policy.latest.num_versions = 1
    for size in serving.warm_batches:
        warmup = config.model_warmup.add(name=f"batch {size}", batch_size=size)
        warmup.inputs[INPUT_NAME].data_type = TYPE_FP32
        warmup.inputs[INPUT_NAME].dims.extend(spec.image_shape)
        warmup.inputs[INPUT_NAME].random_data = True
    for key, value in {**_threads(format, serving), **_contract(spec, weights)}.items():
        config.parameters[key].string_value = value
    return config


def to_text(config: ModelConfig) -> str:
    """The text of config.pbtxt. `text_format.Parse` gives the same message back."""
    return HEADER + text_format.MessageToString(config)


def _threads(format: Format, serving: Serving) -> Mapping[str, str]:
    """Each backend spells its thread parameters in its own way, and ignores the other's."""
    if serving.cpu_threads is None:
        return {}
    intra, inter = {
        "pytorch": ("INTRA_OP_THREAD_COUNT", "INTER_OP_THREAD_COUNT"),
        "onnxruntime": ("intra_op_thread_count", "inter_op_thread_count"),
    }[format.backend]
    return {intra: str(serving.cpu_threads), inter: "1"}


def _contract(spec: ModelSpec, weights: Weights) -> Mapping[str, str]:
    """What clients read from the server; the backends ignore parameters that they do not know."""
    contract = {
        "preprocessing": spec.preprocessing.to_json(),
        "trained": "true" if weights.trained else "false",
        "weights": json.dumps({"source": weights.source, "sha256": weights.sha256}),
    }
    if spec.synsets:
        contract["synsets"] = " ".join(spec.synsets)
    return contract

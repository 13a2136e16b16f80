"""config.pbtxt, as a pure function of what is known of the model and the options: Triton's own ModelConfig protobuf."""

import json
from collections.abc import Mapping

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import (
    TYPE_FP32,
    DataType,
    ModelConfig,
    ModelInstanceGroup,
    ModelQueuePolicy,
)

from tritonrepo.client.class_sets import name_of
from tritonrepo.repository.formats import PT2, Format
from tritonrepo.repository.layout import LABELS_FILENAME
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME, ModelSpec

ENGINE_CACHE = "/var/tmp/onnxruntime-tensorrt"
"""Where ONNX Runtime keeps the engines that it builds: docker-compose.yml has a volume at /var/tmp."""

HEADER = "# Written by `tritonrepo export`; the next export overwrites it.\n"


def model_config(spec: ModelSpec, format: Format, serving: Serving, weights: Weights) -> ModelConfig:
    """The configuration of `<spec.name>_<format.name>`, with every field set that a strict server needs."""
    config = ModelConfig(
        name=f"{spec.name}_{format.name}",
        backend=format.backend,
        platform=format.platform,
        default_model_filename=format.filename,
        max_batch_size=serving.max_batch_size,
    )
    _add_tensors(config, spec)
    _queue(config, serving)
    _place(config, format, serving)
    _optimise(config, spec, format, serving)
    config.version_policy.latest.num_versions = 1
    _warm_up(config, spec, format, serving)
    for key, value in {**_threads(format, serving), **_contract(spec, weights)}.items():
        config.parameters[key].string_value = value
    return config


def to_text(config: ModelConfig) -> str:
    """The text of config.pbtxt. `text_format.Parse` gives the same message back."""
    return HEADER + text_format.MessageToString(config)


def _add_tensors(config: ModelConfig, spec: ModelSpec) -> None:
    config.input.add(name=INPUT_NAME, data_type=_input_type(spec), dims=spec.image_shape)
    config.output.add(name=OUTPUT_NAME, data_type=TYPE_FP32, dims=[len(spec.labels)], label_filename=LABELS_FILENAME)


def _input_type(spec: ModelSpec) -> DataType:
    kind: DataType = DataType.Value(f"TYPE_{spec.preprocessing.dtype}")
    return kind


def _queue(config: ModelConfig, serving: Serving) -> None:
    """How requests wait, and which are refused instead.

    No preferred batch sizes: Triton advises them only where some sizes are far faster, as with a TensorRT engine of
    several optimisation profiles.
    """
    batching = config.dynamic_batching
    batching.max_queue_delay_microseconds = serving.queue_delay_us
    policy = ModelQueuePolicy(
        max_queue_size=serving.max_queue_size,
        default_timeout_microseconds=serving.queue_timeout_ms * 1000,
        allow_timeout_override=serving.queue_timeout_ms > 0,
    )
    if policy.ByteSize():
        batching.default_queue_policy.CopyFrom(policy)  # refuses what waits too long (TimeoutAction REJECT is 0)
    if serving.priority_levels:
        batching.priority_levels = batching.default_priority_level = serving.priority_levels


def hands_over(config: ModelConfig) -> bool:
    """Whether Triton hands the next batch to an instance while that is at work.

    It does so only where the queue has no bound, no timeout and no priorities (`PriorityQueue`, scheduler_utils.cc of
    Triton's core). Elsewhere its batcher waits for a free instance in steps of 500 ms, and is woken just before one is
    free (`DynamicBatchScheduler::WaitForPayloadSlotAvailable`): then both wait, until the step ends or a request comes.
    """
    batching = config.dynamic_batching
    policy = batching.default_queue_policy
    limits = (policy.max_queue_size, policy.default_timeout_microseconds, policy.allow_timeout_override)
    return not config.HasField("dynamic_batching") or not (batching.priority_levels or any(limits))


def _place(config: ModelConfig, format: Format, serving: Serving) -> None:
    """Where the model runs, and how many copies."""
    if format.backend == "tensorrt":
        config.instance_group.add(kind=ModelInstanceGroup.KIND_GPU, count=serving.instances, profile=["0"])
    elif format is PT2:  # compiled for the CPU alone: a GPU would be handed machine code that reads the host's memory
        config.instance_group.add(kind=ModelInstanceGroup.KIND_CPU, count=serving.instances)
    else:
        # KIND_AUTO: on the GPU where there is one, else on the CPU, with one file for both hosts.
        config.instance_group.add(kind=ModelInstanceGroup.KIND_AUTO, count=serving.instances)


def _warm_up(config: ModelConfig, spec: ModelSpec, format: Format, serving: Serving) -> None:
    """What is run before the model is ready."""
    for size in serving.warm_batches(format):
        warmup = config.model_warmup.add(name=f"batch {size}", batch_size=size)
        warmup.inputs[INPUT_NAME].data_type = _input_type(spec)
        warmup.inputs[INPUT_NAME].dims.extend(spec.image_shape)
        warmup.inputs[INPUT_NAME].random_data = True


def _optimise(config: ModelConfig, spec: ModelSpec, format: Format, serving: Serving) -> None:
    """What hands the work to another runtime, or concerns a GPU alone; a host without one ignores the latter."""
    if format.backend == "tensorrt":
        config.optimization.eager_batching = serving.eager_batching
        config.optimization.cuda.output_copy_stream = serving.output_copy_stream
        config.optimization.cuda.graphs = True
        # Without these Triton captures graphs for batch 1 and the maximum alone.
        for size in serving.warm_batches(format):
            graph = config.optimization.cuda.graph_spec.add(batch_size=size)
            graph.input[INPUT_NAME].dim.extend(spec.image_shape)
    elif format.backend == "onnxruntime" and serving.onnx_accelerator == "tensorrt":
        accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
        for key, value in _tensorrt_provider(config.name, spec, serving).items():
            accelerator.parameters[key] = value
    elif format.backend == "onnxruntime" and serving.onnx_accelerator == "openvino":
        config.optimization.execution_accelerators.cpu_execution_accelerator.add(name="openvino")


def _tensorrt_provider(name: str, spec: ModelSpec, serving: Serving) -> Mapping[str, str]:
    """Options of ONNX Runtime's TensorRT provider.

    With the shapes of every batch size in one profile, and engines kept on disk, it does not build anew for each batch
    size or at each start.
    """
    shapes = ("x".join(map(str, (batch, *spec.image_shape))) for batch in serving.profile)
    profile = {
        f"trt_profile_{end}_shapes": f"{INPUT_NAME}:{x}" for end, x in zip(("min", "opt", "max"), shapes, strict=True)
    }
    return {
        # TensorRT 11 takes the precision from the graph alone: there, export onnx_fp16.
        "precision_mode": "FP16",
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": ENGINE_CACHE,
        "trt_engine_cache_prefix": name,
        "trt_timing_cache_enable": "true",
        "trt_timing_cache_path": ENGINE_CACHE,
        **profile,
    }


def _threads(format: Format, serving: Serving) -> Mapping[str, str]:
    """Each backend spells its thread parameters in its own way, and ignores the other's."""
    if serving.cpu_threads is None or format.backend == "tensorrt":
        return {}
    if format.backend == "pytorch":
        # Never the threads between operators: PyTorch lets a process set these once, and Triton aborts at the second
        # model that asks, or when this one is loaded again.
        return {"INTRA_OP_THREAD_COUNT": str(serving.cpu_threads)}
    return {"intra_op_thread_count": str(serving.cpu_threads), "inter_op_thread_count": "1"}


def _contract(spec: ModelSpec, weights: Weights) -> Mapping[str, str]:
    """What clients read from the server; the backends ignore parameters that they do not know."""
    contract = {
        "preprocessing": spec.preprocessing.to_json(),
        "trained": "true" if weights.trained else "false",
        "weights": json.dumps({"source": weights.source, "sha256": weights.sha256}),
    }
    if class_set := name_of(spec.synsets):
        contract["class_set"] = class_set
    elif spec.synsets:
        contract["synsets"] = " ".join(spec.synsets)
    if spec.scores not in (None, "logits"):  # clients take it for logits where nothing is said
        contract["scores"] = str(spec.scores)
    return contract

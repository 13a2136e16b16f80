"""How a model is to be served: the options of an export that end in config.pbtxt."""

from dataclasses import dataclass

from tritonrepo.repository.formats import Format

LARGEST_BATCH_SIZE = 1024
"""A batch of 1024 FP32 images of 224 x 224 is 616 MB on the wire; gRPC refuses messages of 2 GB."""


@dataclass(frozen=True)
class Serving:
    """How a model is to be served.

    Attributes:
        max_batch_size: The largest batch that the server accepts or forms.
        queue_delay_us: How long the dynamic batcher may hold a request to fill a batch, in microseconds. 0: not at all.
        max_queue_size: Requests that may wait for the model; more are refused at once. 0: without bound.
        queue_timeout_ms: How long a request may wait before it is refused, in milliseconds. 0: without bound.
        priority_levels: How many there are, 1 the most urgent; requests that name none have the last. 0: no priorities.
            Each of the last three costs speed: see `hands_over`.
        instances: Copies of the model per device.
        cpu_threads: Threads of one operator on a CPU. None: the backend's default, every core.
        preferred_batch_size: What TensorRT chooses its kernels for, between 1 and the maximum.
        onnx_accelerator: `tensorrt`: on a GPU, ONNX Runtime hands the graph to TensorRT. `openvino`: on a CPU, to
            OpenVINO. None: it runs it itself.
        eager_batching: A GPU prepares the next batch while it executes one.
        output_copy_stream: A GPU copies outputs to the host in a stream of their own.
    """

    max_batch_size: int = 64
    queue_delay_us: int = 0
    max_queue_size: int = 0
    queue_timeout_ms: int = 0
    priority_levels: int = 0
    instances: int = 1
    cpu_threads: int | None = None
    preferred_batch_size: int = 8
    onnx_accelerator: str | None = None
    eager_batching: bool = False
    output_copy_stream: bool = False

    @property
    def profile(self) -> tuple[int, int, int]:
        """The batch sizes of a TensorRT optimisation profile: smallest, preferred, largest."""
        return (1, min(self.preferred_batch_size, self.max_batch_size), self.max_batch_size)

    def warm_batches(self, format: Format) -> tuple[int, ...]:
        """The batch sizes that are run before a model is ready.

        The smallest and the largest allocate and tune the most, and an engine's preferred one has a CUDA graph to
        capture.
        """
        return tuple(sorted(set(self.profile if format.backend == "tensorrt" else (1, self.max_batch_size))))

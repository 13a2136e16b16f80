"""An engine on the GPU. It has not run in this repository's CI, which has none."""

from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray

from tritonrepo.export.errors import ConversionError
from tritonrepo.export.tensorrt.library import log
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME


class Session:
    """An engine on the first GPU, ready to run. torch owns the device memory and the stream.

    Raises:
        ConversionError: TensorRT cannot load the engine.
    """

    def __init__(self, trt: ModuleType, plan: bytes) -> None:
        self._log = log(trt)
        self._log.messages.clear()
        self._runtime = trt.Runtime(self._log)
        self._runtime.engine_host_code_allowed = True  # a version-compatible engine carries some, and this is our own
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ConversionError(f"TensorRT {trt.__version__} cannot load the engine: {' '.join(self._log.messages)}")
        self._context = self._engine.create_execution_context()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images, FP32 `[N, 3, H, W]`, into logits, FP32 `[N, classes]`. Raises `RuntimeError` if it does not run."""
        given = torch.from_numpy(images).cuda()
        if not self._context.set_input_shape(INPUT_NAME, tuple(given.shape)):
            raise RuntimeError(f"the engine's profile does not allow the shape {list(given.shape)}")
        logits = torch.empty(tuple(self._context.get_tensor_shape(OUTPUT_NAME)), dtype=torch.float32, device="cuda")
        self._context.set_tensor_address(INPUT_NAME, given.data_ptr())
        self._context.set_tensor_address(OUTPUT_NAME, logits.data_ptr())
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())  # the copy of the images
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError(f"TensorRT could not run the engine: {' '.join(self._log.messages)}")
        stream.synchronize()
        result: NDArray[np.float32] = logits.cpu().numpy()
        return result

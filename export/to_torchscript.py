"""PyTorch module -> TorchScript, for Triton's pytorch backend. The only importer of torch.jit."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.export import copies, exits, pixels
from tritonrepo.export.blame import gist, where
from tritonrepo.export.errors import ConversionError
from tritonrepo.export.job import Facts, Job

RUNTIME = "TorchScript in PyTorch"


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    convert(job.module, job.image_shape, job.path)
    return Facts()


def convert(module: nn.Module, image_shape: tuple[int, int, int], path: Path) -> None:
    """Trace `module` (`[N, *image_shape]` -> FP32 `[N, classes]`) and save it to `path`, with a dynamic batch.

    The parameters stay attributes (no freezing), so that a server moves them to the device of its own choice.

    Raises:
        ConversionError: Tracing fails, the trace would keep what it takes from one input's values, or it calls Python.
        OSError: The disk refuses.
    """
    example = pixels.example(module, image_shape)
    _check_exits(module, example)
    traced = copies.converted(module, example, lambda one: _trace(one, example))
    with warnings.catch_warnings(), path.open("wb") as file:
        warnings.simplefilter("ignore")
        try:
            torch.jit.save(traced, file)
        except RuntimeError as exc:
            raise ConversionError(f"TorchScript: torch.jit.save cannot write the trace: {gist(exc)}") from exc


def _check_exits(module: nn.Module, example: torch.Tensor) -> None:
    if isinstance(pixels.body(module), torch.jit.ScriptModule):  # its branches are in the artifact
        return
    try:
        lines = exits.find(copies.fresh(module), example)
    except Exception as exc:  # the module's own code runs here, and may raise anything
        raise ConversionError(
            f"TorchScript: the module fails on a batch {list(example.shape)} of zeros: {gist(exc)}{where(exc)}"
        ) from exc
    if lines:
        raise ConversionError(
            "TorchScript: the module takes a Python value from its input's values, and a trace would keep this branch "
            f"or number for every other input: {exits.describe(lines[0])}. Compute it with tensors, as torch.where does"
        )


def _trace(module: nn.Module, example: torch.Tensor) -> Any:
    try:
        # TorchScript is deprecated in favour of torch.export, but it is what Triton's pytorch backend loads.
        with torch.no_grad(), warnings.catch_warnings(), _without_tf32():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, example.clone(), check_trace=False)  # type: ignore[no-untyped-call]
            graph = traced.inlined_graph
    except Exception as exc:  # the module's own code runs here, and may raise anything
        raise ConversionError(
            f"TorchScript: torch.jit.trace cannot follow the module: {gist(exc)}{where(exc)}"
        ) from exc
    if called := [node.pyname() for node in graph.findAllNodes("prim::PythonOp", recurse=True)]:
        raise ConversionError(
            f"TorchScript: the module calls Python, the torch.autograd.Function {called[0]}, and no server has it. The "
            "format onnx takes the operators inside it: --formats onnx"
        )
    _follow_the_input(traced)
    return traced


def _without_tf32() -> AbstractContextManager[None]:
    """Let no convolution of the trace round to TF32, which a trace writes down as it finds it.

    On a GPU from Ampere on, TF32 would take the logits of an artifact that passed the gate on a CPU as far away as FP16
    does (docs/gpu.md has the figures).
    """
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return flags


def _follow_the_input(traced: Any) -> None:
    """Let the operations that create tensors do it on the device of the images.

    A trace writes down the device that it saw, the CPU; on a GPU, an index or a first state would then be elsewhere
    than what it is used with.
    """
    graph = traced.graph
    if not any(_devices(traced.inlined_graph)):
        return
    torch._C._jit_pass_inline(graph)
    images = list(graph.inputs())[1]  # after the module itself
    device = graph.create("prim::device", [images], 1)
    device.output().setType(torch._C.DeviceObjType.get())
    graph.prependNode(device)
    for constant in _devices(graph):
        constant.replaceAllUsesWith(device.output())


def _devices(graph: Any) -> Iterator[Any]:
    for node in graph.findAllNodes("prim::Constant", recurse=True):
        if node.output().type().kind() == "DeviceObjType":
            yield node.output()


def load(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function that runs the artifact on the CPU: `[N, 3, H, W]` -> `[N, classes]`. Raises `RuntimeError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = loaded(torch.from_numpy(images)).numpy()
        return logits

    return run

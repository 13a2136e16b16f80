"""PyTorch module -> FP16 TensorRT engine, for Triton's tensorrt backend."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from torch import nn

from tritonrepo.export import to_onnx_fp16
from tritonrepo.export.cache import cache_directory
from tritonrepo.export.errors import NotPublishableError
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.options import EngineOptions, Options
from tritonrepo.export.tensorrt.engine import Batches, Engine, build
from tritonrepo.export.tensorrt.library import COMPILER, Environment, environment, find_tensorrt
from tritonrepo.export.tensorrt.session import Session
from tritonrepo.repository.manifest import EngineFacts

RUNTIME = "TensorRT on the GPU, in FP16"


def require(options: Options) -> None:
    """Refuse before the long steps where nothing can compile an engine. Raises `MissingError`."""
    find_tensorrt()


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    given = job.options.serving.profile, job.options.engine, job.graphs.get("FP16")
    return Facts(engine=convert(job.module, job.image_shape, job.path, *given))


def convert(
    module: nn.Module,
    image_shape: tuple[int, int, int],
    path: Path,
    batches: Batches,
    options: EngineOptions,
    graph: Path | None = None,
) -> EngineFacts:
    """Write `module` (`[N, *image_shape]` -> FP32 `[N, classes]`) to `path` as an engine for `batches`.

    Args:
        module: Is converted, unless there is a graph of it.
        image_shape: Of one image, as the module takes it.
        path: Of the artifact.
        batches: The smallest, the usual and the largest.
        options: Of the compiler.
        graph: The module as ONNX in FP16.

    Returns:
        What the manifest records.

    Raises:
        NotPublishableError: There is no GPU, and the engine was compiled all the same.
        MissingError: Nothing here can compile it.
        ConversionError: TensorRT refuses the network.
    """
    trt = find_tensorrt()
    if graph is None:
        graph = path.with_name("model.onnx")
        to_onnx_fp16.convert(module, image_shape, graph)
    return compile_graph(trt, graph, path, batches, options)


def compile_graph(
    trt: ModuleType,
    onnx: Path,
    path: Path,
    batches: Batches,
    options: EngineOptions,
    kept: Collection[str] | None = None,
) -> EngineFacts:
    """Write a graph of ONNX to `path` as an engine. `kept`: as in `build`.

    Raises:
        NotPublishableError: There is no GPU, and the engine was compiled all the same.
        ConversionError: TensorRT refuses the network.
    """
    if trt.__name__ == COMPILER:
        engine = build(trt, onnx, batches, options, kept=kept)
        raise NotPublishableError(f"compiles: {engine}; not published, needs a GPU")
    here = environment(trt)
    engine = build(trt, onnx, batches, options, _timing_cache(here), kept)
    path.write_bytes(engine.plan)
    return describe(engine, options, here)


def describe(engine: Engine, options: EngineOptions, here: Environment) -> EngineFacts:
    """What the manifest records of an engine. The GPU's own compute capability replaces the compile check's."""
    facts = {**asdict(options), **asdict(engine), **asdict(here)}
    del facts["plan"]
    return EngineFacts(**facts)


def load(path: Path) -> Session:
    """The engine, ready to run on the first GPU. Raises `ConversionError` if it does not load."""
    return Session(find_tensorrt(), path.read_bytes())


def _timing_cache(here: Environment) -> Path:
    """The file in which measured kernels are kept: of use to this TensorRT on this kind of GPU alone."""
    gpu = here.gpu.replace(" ", "-").replace("/", "-")
    return cache_directory() / f"tensorrt-{here.tensorrt}-{gpu}.timing"

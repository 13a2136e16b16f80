"""PyTorch module -> AOTInductor package, machine code for one kind of CPU, for Triton's pytorch backend.

The only importer of the compiler, torch._inductor, and that when it compiles: it takes seconds.
"""

import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tritonrepo.client.errors import MissingError
from tritonrepo.export import copies, pixels
from tritonrepo.export.blame import explain, gist
from tritonrepo.export.errors import ConversionError
from tritonrepo.export.job import Facts, Job
from tritonrepo.export.one_input import with_one_input
from tritonrepo.export.options import Options
from tritonrepo.export.quiet import quiet
from tritonrepo.repository import package
from tritonrepo.repository.host import COMPILER_REMEDY, compiler
from tritonrepo.repository.on_aoti import Package

RUNTIME = "AOTInductor in PyTorch"
VECTOR_BITS = {"x86-64-v3": 256, "x86-64-v4": 512, "native": None}
"""For each `--cpu-isa`, how wide the vectors are; by default PyTorch takes the widest of the machine that compiles."""
SCRIPTED = (
    "PT2: the module is compiled by torch.jit, and torch.export cannot follow it; return the module from which it was "
    "scripted or traced. The format torchscript takes it as it is: --formats torchscript"
)


def require(options: Options) -> None:
    """Refuse before the long steps what could not be compiled, or not be run and so not be verified.

    Raises:
        MissingError: There is no C++ compiler, or the CPU here is a lesser one than that of `--cpu-isa`.
    """
    isa = options.cpu_isa
    if shutil.which(compiler()) is None:
        raise MissingError(
            f"pt2: the C++ compiler {compiler()} is missing, with which PyTorch compiles the package; {COMPILER_REMEDY}"
        )
    of_x86 = platform.machine() in ("x86_64", "AMD64")
    missing = package.lacking_flags(isa)
    if isa != "native" and (missing or not of_x86):
        lack = f"has no {', '.join(missing)}" if of_x86 else f"is of the kind {platform.machine()}"
        raise MissingError(
            f"pt2: a package for {isa} could not be verified: the CPU here {lack}; export it on a machine of that "
            "kind, or for this one alone with --cpu-isa native"
        )


def make(job: Job) -> Facts:
    """Write the artifact of a job. Raises as `convert`."""
    convert(job.module, job.image_shape, job.path, job.options.serving.max_batch_size, job.options.cpu_isa)
    return Facts()


def convert(module: nn.Module, image_shape: tuple[int, int, int], path: Path, largest: int, isa: str) -> None:
    """Compile `module` (`[N, *image_shape]` -> FP32 `[N, classes]`) to `path` for batches of 1 to `largest`.

    Args:
        module: What is compiled, with its parameters in it (frozen).
        image_shape: Of one image, as the module takes it.
        path: Of the package; its name ends in .pt2.
        largest: The largest batch.
        isa: A key of VECTOR_BITS: the CPU that is to run it.

    Raises:
        ConversionError: torch.export cannot follow the module, or the compiler fails.
        OSError: The disk refuses.
    """
    example = pixels.example(module, image_shape)
    largest = max(largest, len(example))
    program = copies.converted(module, example, lambda one: _export(one, example, largest), SCRIPTED)
    facts = {
        package.TORCH: str(torch.__version__),
        package.ISA: isa,
        package.LARGEST: str(largest),
        package.INPUT: f"{'UINT8' if example.dtype == torch.uint8 else 'FP32'} {list(image_shape)}",
    }
    try:
        _compile(program, path, isa, facts)
    except OSError:
        raise
    except Exception as exc:  # the compiler raises whatever its many passes raise
        raise ConversionError(f"PT2: AOTInductor cannot compile the module: {gist(exc)}") from exc


def _export(module: nn.Module, example: torch.Tensor, largest: int) -> Any:
    batch = torch.export.Dim("batch", min=1, max=largest)
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(with_one_input(module), (example.clone(),), dynamic_shapes=({0: batch},))
    except Exception as exc:  # the module's own code runs here, and may raise anything
        raise ConversionError(f"PT2: {explain(exc, 'torch.export')}") from exc


def _compile(program: Any, path: Path, isa: str, facts: dict[str, str]) -> None:
    from torch import _inductor as inductor
    from torch._inductor.utils import fresh_inductor_cache

    settings = {
        "freezing": True,
        "cpp.march": None if isa == "native" else isa,
        "cpp.simdlen": VECTOR_BITS[isa],
        "compile_threads": 1,  # there are two sources at most, and a pool of processes would stay
        "aot_inductor.precompile_headers": False,  # of use to a second compilation alone, and 280 MB
        "aot_inductor.metadata": facts,
    }
    # What the compiler leaves behind is as large as the network, and goes with this directory.
    with torch.no_grad(), quiet(), fresh_inductor_cache(dir=str(path.parent)):
        inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)


def load(path: Path) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """A function that runs the artifact on the CPU: `[N, …]` -> `[N, classes]`. Raises as `Package` does."""
    loaded = Package(path)

    def run(images: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores: NDArray[np.float32] = loaded.run([torch.from_numpy(images)])[0].numpy()
        return scores

    return run

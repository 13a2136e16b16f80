"""What an export is asked to do, and how it tells what it does. Needs no PyTorch."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tritonrepo.client.errors import UsageError
from tritonrepo.repository.formats import Format
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.store.address import Address

Progress = Callable[[int, int | None], None]
"""Is told the bytes of a download that are here, and how many there are in all, where the server says."""
Notice = Callable[[str], None]
"""Is told a sentence."""

CPU_ISAS = ("x86-64-v3", "x86-64-v4", "native")
"""What a pt2 package can be compiled for: x86-64 with AVX2, or with AVX-512 beside it, or this machine's CPU alone."""
DALI = "dali"
"""The word of `--encoded` for the ensemble whose pictures DALI decodes on a GPU."""
LIBRARIES = {"timm": "timm", "torchvision": "torchvision", "hf": "transformers"}
"""The words before a colon in `--model`, and whose networks they name."""


@dataclass(frozen=True)
class EngineOptions:
    """How a TensorRT engine is built.

    Attributes:
        workspace_mib: The most device memory that a layer may use as scratch space.
        optimisation_level: 0 (builds fast) to 5 (runs fast); 3 is TensorRT's default.
        hardware_compatible: The engine runs on every GPU from Ampere on, somewhat slower, and not only on this one's
            kind.
        version_compatible: The engine loads in later TensorRT releases of the same major version, if Triton is told to
            allow it.
        compute_capability: What the compile check compiles for where there is no GPU.
    """

    workspace_mib: int = 4096
    optimisation_level: int = 3
    hardware_compatible: bool = False
    version_compatible: bool = False
    compute_capability: str = "8.9"


@dataclass(frozen=True)
class Options:
    """What to export, and where to.

    Raises:
        UsageError: `encoded` is none of the formats.

    Attributes:
        model: As in `--model`.
        weights: `ngc`, `auto`, `seeded`, `seeded:N` or a checkpoint's path. None: NGC's, or the source's own.
        formats: What to make of it.
        repository: The model repository, a directory or an object store; made if it is not there.
        serving: What ends in config.pbtxt.
        labels: A text file with one label a line, a csv, a JSON file, or a directory of class folders.
        ema: Take the moving averages of a checkpoint's weights.
        classes: How many classes the head has. None: as many as that of the checkpoint, or of the network itself.
        input: What a client sends: `fp32`, normalised images; or `uint8`, pixels that the artifact normalises.
        encoded: The format on which an ensemble that takes image files is to stand; `auto`: the fastest of `formats`;
            DALI: on that too, with DALI in front of it. None: none is made, and one that stands on a format of these
            follows it.
        output: The key, attribute or index of the scores in what the network returns. None: see `outputs`.
        spec: A TOML file that describes an exported program.
        name: Of the model, before `_<format>`. None: that of the network or the factory.
        images: A directory of photographs to verify on. None: those of scikit-image.
        calibration: A directory of photographs to measure INT8's ranges on. None: half of those of the verification.
        keep: How many versions of each model to keep.
        staging: Where the staging directory is made. None: beside the repository.
        stage: Add the versions without serving them.
        overlap: Keep the version before loaded beside the new one.
        engine: How a TensorRT engine is built.
        cpu_isa: One of CPU_ISAS, the CPU that a pt2 package is compiled for.
    """

    model: str
    weights: str | None
    formats: tuple[Format, ...]
    repository: Path | Address
    serving: Serving = field(default_factory=Serving)
    labels: Path | None = None
    ema: bool = False
    classes: int | None = None
    input: str = "fp32"
    encoded: str | None = None
    output: str | None = None
    spec: Path | None = None
    name: str | None = None
    images: Path | None = None
    calibration: Path | None = None
    keep: int = 2
    staging: Path | None = None
    stage: bool = False
    overlap: bool = False
    engine: EngineOptions = field(default_factory=EngineOptions)
    cpu_isa: str = CPU_ISAS[0]

    def __post_init__(self) -> None:
        if self.encoded not in (None, "auto", DALI, *(format.name for format in self.formats)):
            raise UsageError(f"--encoded {self.encoded}: is not among --formats; add it there")
        if self.stage and self.encoded:
            raise UsageError("--encoded stands on a version that is served, so leave out --stage")
        if self.stage and self.overlap:
            raise UsageError("--stage serves nothing new, so nothing can overlap; leave out --overlap")


@dataclass(frozen=True)
class Watcher:
    """How an export tells what it does.

    Attributes:
        notice: Takes a sentence.
        step: Takes what begins.
        progress: Takes how far a download is.
        silence: Gives a context in which frameworks convert and run artifacts. They print pages there, in success as in
            failure; what went wrong is in what they raise.
    """

    notice: Notice = lambda _: None
    step: Callable[[str], None] = lambda _: None
    progress: Progress = lambda _, __: None
    silence: Callable[[], AbstractContextManager[None]] = nullcontext

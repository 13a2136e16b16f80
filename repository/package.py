"""What an AOTInductor package (`.pt2`) says of itself, read without PyTorch.

An exported program, `torch.export.save`, has the same suffix; what lies in the archive tells them apart.
"""

import functools
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

MODEL = "/data/aotinductor/model/"
"""Where the compiled model lies in the archive, below a folder of any name. Triton loads no other."""
PROGRAM = ("/models/model.json", "/serialized_exported_program.json")
"""The program in an archive of torch.export.save: of new releases, and of old ones below a folder or not."""
METADATA = "_metadata.json"

TORCH, ISA, LARGEST, INPUT = "torch", "cpu_isa", "largest_batch", "input"
"""What the exporter adds to the metadata; the names that begin with AOTI are PyTorch's."""

FLAGS = {
    "x86-64-v3": ("avx2", "bmi2", "f16c", "fma", "movbe"),
    "x86-64-v4": ("avx2", "bmi2", "f16c", "fma", "movbe", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    "AVX2": ("avx2", "fma"),
    "AVX512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
}
"""What Linux calls the instructions of a level of x86-64, or of a name of PyTorch's for the vectors."""


class NoPackageError(ValueError):
    """The file is no AOTInductor package; the message says what it is."""


@dataclass(frozen=True)
class PackageFacts:
    """What a package was compiled for. A package of another program than this exporter leaves some of it empty.

    Attributes:
        device: `cpu` or `cuda`.
        vectors: The vector instructions, by PyTorch's name, as in `AVX2`.
        compute_capability: Of the GPU.
        torch: The release that compiled it.
        isa: What the compiler was told of the CPU, as in `x86-64-v3`; `native`: that of the machine it ran on.
        largest_batch: 0 where nothing is said.
        input: Triton's datatype and the shape of one image, as in `FP32 [3, 224, 224]`.
    """

    device: str
    vectors: str
    compute_capability: str
    torch: str
    isa: str
    largest_batch: int
    input: str

    @property
    def cpu(self) -> str:
        """The CPU in words."""
        return f"{self.isa} ({self.vectors})" if self.isa and self.vectors else self.isa or self.vectors


def is_package(path: Path) -> bool:
    """Whether the file holds a compiled model and no program. Raises `OSError`."""
    try:
        names = _names(path)
    except NoPackageError:
        return False
    return any(MODEL in name for name in names) and not any(map(_is_program, names))


def read_facts(path: Path) -> PackageFacts:
    """What a package says of itself.

    Raises:
        NoPackageError: It is none.
        OSError: It cannot be read.
    """
    names = _names(path)
    found = sorted(
        (name for name in names if MODEL in name and name.endswith(METADATA)), key=lambda n: "wrapper" not in n
    )
    if not found:
        what = "an exported program of torch.export.save" if any(map(_is_program, names)) else "another archive"
        raise NoPackageError(f"is no AOTInductor package but {what}")
    try:
        with zipfile.ZipFile(path) as archive:
            said = json.loads(archive.read(found[0].removeprefix("/")))
        return _facts({str(key): str(value) for key, value in said.items()})
    except (zipfile.BadZipFile, ValueError, AttributeError, RecursionError) as exc:
        raise NoPackageError(f"is no whole AOTInductor package: {exc}") from exc


def lacking(facts: PackageFacts) -> tuple[str, ...]:
    """The instructions that a package needs and the CPU here does not have; none where that cannot be told."""
    return lacking_flags(facts.isa if facts.isa in FLAGS else facts.vectors.split(" ")[0])


def lacking_flags(isa: str) -> tuple[str, ...]:
    """The instructions of a key of FLAGS that the CPU here does not have; none where that cannot be told."""
    here = cpu_flags()
    return tuple(flag for flag in FLAGS.get(isa, ()) if here and flag not in here)


@functools.cache
def cpu_flags() -> frozenset[str]:
    """What the CPU here can do, as Linux names it; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(flags, ()))


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [f"/{name}" for name in archive.namelist()]
    except zipfile.BadZipFile as exc:
        raise NoPackageError("is no AOTInductor package: it is no ZIP file, or is cut off") from exc


def _is_program(name: str) -> bool:
    return name.endswith(PROGRAM)


def _facts(said: dict[str, str]) -> PackageFacts:
    return PackageFacts(
        device=said.get("AOTI_DEVICE_KEY", ""),
        vectors=said.get("AOTI_CPU_ISA", ""),
        compute_capability=said.get("AOTI_COMPUTE_CAPABILITY", ""),
        torch=said.get(TORCH, ""),
        isa=said.get(ISA, ""),
        largest_batch=int(said.get(LARGEST, "0")),
        input=said.get(INPUT, ""),
    )

"""Archives with the members of AOTInductor packages and of exported programs, without machine code."""

import json
import zipfile
from pathlib import Path
from typing import Any

SAID = {
    "AOTI_DEVICE_KEY": "cpu",
    "AOTI_PLATFORM": "linux",
    "AOTI_MACHINE": "x86_64",
    "AOTI_CPU_ISA": "AVX2",
    "AOTI_COMPUTE_CAPABILITY": "",
    "torch": "2.13.0+cpu",
    "cpu_isa": "x86-64-v3",
    "largest_batch": "8",
    "input": "FP32 [3, 32, 32]",
}
"""As PyTorch 2.13 writes it for this exporter."""


def archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{path.stem}/{name}", content)
    return path


def package(path: Path, **changes: Any) -> Path:
    """A package that says SAID, with these changes; None takes an entry out."""
    said = {key: value for key, value in (SAID | changes).items() if value is not None}
    model = "data/aotinductor/model"
    members = {
        f"{model}/c1.kernel_metadata.json": "{}",
        f"{model}/c1.wrapper.so": "no machine code",
        f"{model}/c1.wrapper_metadata.json": json.dumps(said),
    }
    return archive(path, members | {"archive_format": "pt2"})


def program(path: Path) -> Path:
    return archive(path, {"archive_format": "pt2", "models/model.json": "{}"})

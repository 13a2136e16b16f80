"""What a converter is asked for, and what it says of the artifact.

Each format has a module `to_NAME` with `make`, `load` and RUNTIME, and with `require` where something can be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from tritonrepo.export.options import Options
from tritonrepo.repository.manifest import EngineFacts, Rounded

if TYPE_CHECKING:
    from tritonrepo.export.int8.calibration import Calibration


@dataclass(frozen=True)
class Job:
    """An artifact to write.

    Attributes:
        module: What becomes the artifact; converters run copies of it.
        image_shape: Of one image, as the module takes it.
        path: Of the artifact.
        options: Of the export.
        calibration: For formats that round to INT8.
        graphs: What the export has written of this module as ONNX, by its precision; none is converted twice.
    """

    module: nn.Module
    image_shape: tuple[int, int, int]
    path: Path
    options: Options
    calibration: Calibration | None = None
    graphs: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What the manifest is to say of an artifact.

    Attributes:
        rounded: What was rounded to INT8.
        engine: How a TensorRT engine was built.
    """

    rounded: Rounded | None = None
    engine: EngineFacts | None = None

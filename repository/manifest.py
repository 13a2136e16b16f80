"""manifest.json: where the artifact of a version came from, and what its verification measured."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cattrs import transform_error
from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import ManifestError
from tritonrepo.repository.layout import MANIFEST_FILENAME
from tritonrepo.repository.tolerance import Tolerance
from tritonrepo.repository.tuning import Tuning

SCHEMA = 1
"""Manifests without a number are of schema 1: they were written before there were numbers."""
SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class Artifact:
    """The file that Triton loads.

    Attributes:
        file: Its name.
        sha256: Of its bytes, hexadecimal.
        bytes: Its size.
    """

    file: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> "Artifact":
        """Describe a file. Raises `OSError`."""
        return cls(path.name, sha256(path), path.stat().st_size)


@dataclass(frozen=True)
class Weights:
    """Where the parameters came from; config.pbtxt says it too.

    Attributes:
        source: As in `ngc URL`, `file NAME`, `seeded 0`.
        sha256: Of the checkpoint file, or of the tensors where there is no file.
        trained: False for random parameters.
    """

    source: str
    sha256: str
    trained: bool


@dataclass(frozen=True)
class EngineFacts:
    """What a TensorRT engine is tied to, how it was built, and what its network was made of.

    Attributes:
        tensorrt: The release that built it.
        gpu: The name of the GPU that it was built on.
        compute_capability: That GPU's, as in `8.9`.
        triton_release: Of the image in which it was built, or None if that was elsewhere.
        hardware_compatible: It runs on every GPU from Ampere on.
        version_compatible: It loads in later releases of TensorRT of the same major version.
        workspace_mib: The most scratch memory of a layer, in MiB.
        optimisation_level: 0 to 5.
        layers: How many the network has.
        fp16_layers: How many of them compute in FP16.
        convolutions: How many layers are convolutions.
        fp16_convolutions: How many of these compute in FP16.
        int8_convolutions: How many of these compute in INT8.
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    triton_release: str | None
    hardware_compatible: bool
    version_compatible: bool
    workspace_mib: int
    optimisation_level: int
    layers: int
    fp16_layers: int
    convolutions: int
    fp16_convolutions: int
    int8_convolutions: int = 0


@dataclass(frozen=True)
class EagerFp16:
    """What the module itself gives in FP16: the proof of a format whose runtime here may compute in FP32.

    Attributes:
        runtime: What computed it.
        images: How many pictures.
        worst_absolute: The largest difference of a score to FP32.
        worst_relative: The same as a share of the scale of all scores.
        top1_agreement: Share of the pictures with the same best class.
    """

    runtime: str
    images: int
    worst_absolute: float
    worst_relative: float
    top1_agreement: float


@dataclass(frozen=True)
class Rounded:
    """What was rounded to INT8, and what that costs on photographs on which no range was measured.

    Attributes:
        calibration: On what the ranges were measured.
        layers: How many layers there are.
        kept: Those that stay in FP32, because they lose most.
        divergence: Kullback and Leibler's, to the module's probabilities, the mean over the photographs in nats.
    """

    calibration: str
    layers: int
    kept: tuple[str, ...] = ()
    divergence: float = 0.0

    def with_divergence(self, divergence: float) -> "Rounded":
        """The same, measured."""
        return replace(self, divergence=divergence)


@dataclass(frozen=True)
class Verification:
    """How far the artifact's logits were off: the worst over all batch sizes, the agreement over the largest batch.

    Attributes:
        batch_sizes: Those that were run.
        images: How many different inputs there were.
        tolerance: The largest difference of a logit that was let through.
        tolerance_reason: Why that one.
        worst_absolute: The largest difference of a logit.
        worst_relative: The same as a share of the standard deviation of the reference's logits.
        worst_probability: The largest difference of a probability.
        top1_agreement: Share of the images whose best class is the same.
        top5_agreement: Share of the images whose five best classes are the same set.
        scores: What the scores are; probabilities are compared by their logarithms.
        runtime: What ran the artifact. Empty in manifests of earlier releases.
        eager_fp16: How far eager PyTorch in FP16 was off, where the format computes in FP16.
        rounded: What rounding costs, where the format computes in INT8. The figures are then of unseen photographs, and
            `tolerance` is the scale of their scores.
    """

    batch_sizes: tuple[int, ...]
    images: int
    tolerance: float
    tolerance_reason: str
    worst_absolute: float
    worst_relative: float
    worst_probability: float
    top1_agreement: float
    top5_agreement: float
    scores: str = "logits"
    runtime: str = ""
    eager_fp16: EagerFp16 | None = None
    rounded: Rounded | None = None


@dataclass(frozen=True)
class GoldenImages:
    """What a server that loaded the version is asked before the version counts as released.

    Attributes:
        file: golden.npz.
        photographs: The files of which its pictures were made.
        scale: How far apart the module's scores lie.
        tolerance: How far an answer may be off: the gate's own limits.
    """

    file: Artifact
    photographs: tuple[Artifact, ...]
    scale: float
    tolerance: Tolerance


@dataclass(frozen=True)
class Manifest:
    """What is known of one version of a model.

    Attributes:
        model: `<model>_<format>`.
        format: A name of `FORMATS`.
        precision: Of the arithmetic inside, `FP32`, `FP16` or `INT8`.
        artifact: The file.
        weights: Where its parameters came from.
        verification: How it compares to the PyTorch module.
        libraries: Releases of what made it, by the name of the package.
        created: When.
        conversion: What the converter says of a TensorRT engine; the other formats have nothing to say.
        schema: The number of this arrangement.
        tuning: How its configuration was found, where `tritonrepo tune` did that.
        golden: What a release asks. None in manifests of earlier releases, and of ensembles.
    """

    model: str
    format: str
    precision: str
    artifact: Artifact
    weights: Weights
    verification: Verification
    libraries: Mapping[str, str]
    created: datetime
    conversion: EngineFacts | None = None
    schema: int = SCHEMA
    tuning: Tuning | None = None
    golden: GoldenImages | None = None

    def to_json(self) -> str:
        """The text of manifest.json; `from_json` reads it."""
        # `trained` a second time, in the first rows: whoever opens the file looks for it there.
        content = {"schema": self.schema, "trained": self.weights.trained, **_CONVERTER.unstructure(self)}
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read what `to_json` wrote, or an earlier release, whose manifests had no `schema`.

        Raises:
            ManifestError: The text is no such manifest; the message says at which key.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise ManifestError(f"is not JSON: {exc}") from exc
        if not isinstance(content, dict):
            raise ManifestError("is not a JSON object")
        schema = content.get("schema", SCHEMA)
        if schema != SCHEMA:
            raise ManifestError(f"has the schema {schema!r}, and this release reads {SCHEMA}; install a later release")
        try:
            return _CONVERTER.structure(content, cls)
        except BaseValidationError as exc:
            raise ManifestError(f"is not a manifest: {_some(transform_error(exc, path='manifest'))}") from exc


def read_manifest(version: Path) -> Manifest:
    """The manifest in a version directory.

    Raises:
        ManifestError: There is none, or none that can be read.
    """
    path = version / MANIFEST_FILENAME
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ManifestError(f"{path.name} cannot be read: {exc.strerror}") from exc
    except (UnicodeDecodeError, ManifestError) as exc:
        raise ManifestError(f"{path.name} {exc}") from exc


def _some(problems: list[str]) -> str:
    rest = len(problems) - SHOWN_PROBLEMS
    return "; ".join(problems[:SHOWN_PROBLEMS]) + (f"; and {rest} more" if rest > 0 else "")


def _exactly(value: Any, kind: type) -> Any:
    """Take a value of this type alone; the converter by itself would make text of a list and a number of text."""
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{value!r:.40} is no {kind.__name__}")


def _conversion(value: Any, _: object) -> EngineFacts | None:
    """Formats without facts have always had an empty object here."""
    return _CONVERTER.structure(value, EngineFacts) if value else None


_CONVERTER = make_converter()
for _kind in (str, int, float, bool):
    _CONVERTER.register_structure_hook(_kind, _exactly)
_CONVERTER.register_structure_hook(EngineFacts | None, _conversion)

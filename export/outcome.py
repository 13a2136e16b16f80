"""What became of an export."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tritonrepo.client.errors import TritonRepoError
from tritonrepo.export.errors import NotPublishableError
from tritonrepo.export.golden import Answered
from tritonrepo.repository.formats import Format
from tritonrepo.repository.manifest import EagerFp16, EngineFacts, Rounded, Verification, Weights
from tritonrepo.repository.publish import Publication
from tritonrepo.repository.spec import ModelSpec


@dataclass(frozen=True)
class Outcome:
    """What became of one format.

    Attributes:
        format: Which.
        size: Of the artifact, in bytes.
        seconds: Conversion and verification together.
        engine: What the converter says of a TensorRT engine, for the manifest.
        eager_fp16: What the module itself gives in FP16, if that was asked.
        rounded: What was rounded to INT8, if that was asked.
        verification: What the gate measured.
        golden: What it answered then.
        publication: What the writer did.
        error: Why it was refused, or cannot be published here.
    """

    format: Format
    size: int | None = None
    seconds: float = 0.0
    engine: EngineFacts | None = None
    eager_fp16: EagerFp16 | None = None
    rounded: Rounded | None = None
    verification: Verification | None = None
    golden: Answered | None = None
    publication: Publication | None = None
    error: TritonRepoError | None = None

    @property
    def failed(self) -> bool:
        """Whether it was refused, which keeps all formats from publication."""
        return self.error is not None and not isinstance(self.error, NotPublishableError)


@dataclass(frozen=True)
class Build:
    """What became of an export. Nothing was published unless every format that can be verified here passed the gate.

    Attributes:
        spec: Of the model, with its labels.
        weights: Where its parameters came from.
        outcomes: One for each format that was asked for.
        encoded: What the writer did with each ensemble that takes image files, by `NAME on MODEL`.
    """

    spec: ModelSpec
    weights: Weights
    outcomes: tuple[Outcome, ...]
    encoded: Mapping[str, Publication] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[TritonRepoError, ...]:
        """Why formats were refused."""
        return tuple(outcome.error for outcome in self.outcomes if outcome.error is not None and outcome.failed)

    @property
    def exit_status(self) -> int:
        """That of the worst error; 3 if nothing that was asked for can be published here; else 0."""
        if all(isinstance(outcome.error, NotPublishableError) for outcome in self.outcomes):
            return NotPublishableError.exit_status
        return max((error.exit_status for error in self.errors), default=0)

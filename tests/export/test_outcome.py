"""The exit status of an export is that of its worst error."""

import pytest

from tests.repository.manifests import MANIFEST
from tritonrepo.client.errors import MissingError, TritonRepoError
from tritonrepo.export.errors import ConversionError, NotPublishableError, VerificationError
from tritonrepo.export.outcome import Build, Outcome
from tritonrepo.repository.formats import ONNX
from tritonrepo.repository.spec import ModelSpec


@pytest.mark.parametrize(
    ("errors", "status", "failed"),
    [
        ([None, None], 0, 0),
        ([None, ConversionError("no")], 1, 1),
        ([VerificationError("no"), ConversionError("no")], 1, 2),
        ([ConversionError("no"), MissingError("no")], 3, 2),
        ([None, NotPublishableError("no GPU")], 0, 0),
        ([NotPublishableError("no GPU")], 3, 0),
        ([NotPublishableError("no GPU"), ConversionError("no")], 1, 1),
    ],
)
def test_the_status(errors: list[TritonRepoError | None], status: int, failed: int) -> None:
    build = Build(ModelSpec("net"), MANIFEST.weights, tuple(Outcome(ONNX, error=error) for error in errors))
    assert build.exit_status == status
    assert len(build.errors) == failed

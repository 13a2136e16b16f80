"""Whether a server answers from a version as its verified artifact did."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.contract import ModelContract, read_contract
from tritonrepo.client.decode import Scores
from tritonrepo.client.preprocess import preprocess
from tritonrepo.client.served_labels import read_labels
from tritonrepo.client.text import clean_label
from tritonrepo.client.transport import Inference, Transport
from tritonrepo.repository.encoded import FILE
from tritonrepo.repository.golden import Golden
from tritonrepo.repository.manifest import Manifest
from tritonrepo.repository.rollout.errors import ServerError
from tritonrepo.repository.tolerance import FP16, Tolerance

ON_GPU = "KIND_GPU"


@dataclass(frozen=True)
class Expected:
    """What a version has to answer.

    Attributes:
        model: The model's name.
        version: Its number.
        labels: Of its classes.
        manifest: With the tolerance; of the model that an ensemble stands on. None where it cannot be read.
        golden: The pictures and their scores. None: it is enough that the version answers at all.
        output: The tensor of the scores, for an ensemble that takes image files.
        part: The version of another model that an ensemble stands on, which computes.
    """

    model: str
    version: int
    labels: tuple[str, ...]
    manifest: Manifest | None
    golden: Golden | None
    output: str = ""
    part: tuple[str, int] | None = None


def judge(transport: Transport, expected: Expected) -> None:
    """Send the golden images, and compare.

    Args:
        transport: To the server.
        expected: What it has to answer.

    Raises:
        ServerError: It answers otherwise; the message says where.
        MissingError: It does not answer.
    """
    if expected.output:
        _compare(transport, expected, list(_of_files(transport, expected)))
        return
    contract = read_contract(transport, expected.model, str(expected.version))
    if contract.output.datatype != "FP16":  # of which no server names the classes
        _check_labels(read_labels(transport, contract, str(expected.version)), expected)
    _compare(transport, expected, list(_of_pictures(transport, expected, contract)))


def _check_labels(found: tuple[str, ...], expected: Expected) -> None:
    if len(found) != len(expected.labels):
        raise ServerError(f"has {len(found)} labels for version {expected.version}, of {len(expected.labels)}")
    for index, (label, wanted) in enumerate(zip(found, expected.labels, strict=True)):
        if label != (clean_label(wanted) or str(index)):
            raise ServerError(f"names class {index} {label!r} in version {expected.version}, it is {wanted!r}")


def _pictures(expected: Expected) -> list[Image.Image]:
    """Those that it is shown: a black one where there are no golden ones."""
    if expected.golden is None:
        return [Image.new("RGB", (64, 64))]
    return [Image.fromarray(picture) for picture in expected.golden.pictures]


def _of_pictures(transport: Transport, expected: Expected, contract: ModelContract) -> Iterator[NDArray[Any]]:
    """The scores of each picture, prepared as the server says that clients have to."""
    for picture in _pictures(expected):
        tensor = preprocess(picture, contract.preprocessing)
        tensor = tensor[None] if contract.batched else tensor
        yield _ask(transport, expected, tensor, contract.input.name, contract.output.name)


def _of_files(transport: Transport, expected: Expected) -> Iterator[NDArray[Any]]:
    for picture in _pictures(expected):
        file = io.BytesIO()
        picture.save(file, "PNG")
        yield _ask(transport, expected, np.array([[file.getvalue()]], object), FILE, expected.output)


def _ask(
    transport: Transport, expected: Expected, tensor: NDArray[Any], input_name: str, output_name: str
) -> NDArray[Any]:
    asked = Inference(expected.model, input_name, output_name, tensor, str(expected.version))
    answer = transport.infer(asked)
    if answer.version not in ("", asked.version):
        raise ServerError(f"answers from version {answer.version}, where {asked.version} was asked")
    return answer.values.ravel()


def _compare(transport: Transport, expected: Expected, rows: list[NDArray[Any]]) -> None:
    if len({row.shape for row in rows}) > 1 or not all(np.isfinite(row).any() for row in rows):
        raise ServerError(f"answers with nothing that can be read from version {expected.version}")
    manifest, golden = expected.manifest, expected.golden
    if golden is None or manifest is None or manifest.golden is None:
        return
    scores = cast(Scores, manifest.verification.scores)
    model, version = expected.part or (expected.model, expected.version)
    tolerance = _tolerance(manifest.golden.tolerance, transport.config(model, str(version)))
    if fault := golden.find_fault(np.stack(rows), scores, manifest.golden.scale, tolerance):
        raise ServerError(f"{fault} (version {expected.version})")


def _tolerance(stated: Tolerance, config: dict[str, Any]) -> Tolerance:
    """That of the gate, but FP16's on a GPU: backends may compute FP32 in TF32 there, whose mantissa is FP16's."""
    kinds = {str(group.get("kind", "")) for group in config.get("instance_group", [])}
    return max(stated, FP16, key=lambda one: one.share) if ON_GPU in kinds else stated

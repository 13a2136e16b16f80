"""The labels of a served model's classes, asked of the server itself."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import parse_classification
from tritonrepo.client.errors import ContractError
from tritonrepo.client.images import as_file
from tritonrepo.client.transport import Inference, Transport

BLANK_SIDE = 64
"""Pixels, of the blank picture that is sent as a file; the server resizes it."""


def read_labels(transport: Transport, contract: ModelContract, version: str = "") -> tuple[str, ...]:
    """Every class's label in index order, by one classification request for all of them.

    A class without a label gets its index as text.

    Raises:
        ContractError: The answer does not cover the classes, or the server cannot name those of such an output.
        MissingError: As `Transport`.
    """
    if contract.output.datatype == "FP16":
        raise ContractError(
            f"{contract.name} answers in FP16, of which Triton names no classes: give their names with --labels FILE"
        )
    answer = transport.infer(blank_request(contract, version, contract.classes))
    by_index = {p.index: p.label for p in parse_classification(answer.values.ravel())}
    if sorted(by_index) != list(range(contract.classes)):
        raise ContractError(f"{contract.name}: the server listed {len(by_index)} of {contract.classes} classes")
    return tuple(by_index[index] for index in range(contract.classes))


def blank_request(contract: ModelContract, version: str = "", class_count: int = 0) -> Inference:
    """A request with one image of zeros."""
    shape = (1, *contract.input.shape) if contract.batched else contract.input.shape
    blank = np.zeros(shape, contract.array_type)
    if contract.encoded:
        blank[...] = as_file(Image.new("RGB", (BLANK_SIDE, BLANK_SIDE)))
    names = contract.name, contract.input.name, contract.output.name
    return Inference(*names, blank, version, class_count=class_count, expected=class_count)

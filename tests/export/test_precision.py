"""Half precision: of a copy."""

import torch

from tests.conftest import tiny_module
from tritonrepo.export.precision import HalfPrecision


def test_the_module_that_is_halved_is_a_copy() -> None:
    module = tiny_module()
    HalfPrecision(module)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}

"""FP16 is proved in FP16, and the layer that cannot bear it is named."""

import pytest
import torch
from torch import Tensor, nn

from tests import factories
from tests.export.gate.modules import around, observed
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import half


class Scaled(nn.Module):
    """Leaves FP16's range inside, and comes back: in FP32 it changes nothing."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.first, self.rest = factories.network()[:3], factories.network()[3:]
        self.large = nn.Conv2d(8, 8, 1, bias=False)
        self.large.weight.data = torch.eye(8)[:, :, None, None] * factor
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.large(self.first(x)) / self.factor)  # type: ignore[no-any-return]


def test_a_network_that_bears_it_is_measured() -> None:
    module = factories.network()
    found = half.prove(module, observed(module), "onnx_fp16")
    assert found.runtime == "eager FP16 in PyTorch"
    assert found.images == 4
    assert 0 < found.worst_relative < 0.05
    assert found.top1_agreement == 1


def test_an_overflow_that_fp32_cannot_see_names_its_layer() -> None:
    module = Scaled(1e5).eval()
    message = r"onnx_fp16 \(eager FP16 in PyTorch\): .*the layer large \(Conv2d\) overflows: its values reach [\d,]+ in"
    with pytest.raises(VerificationError, match=message):
        half.prove(module, observed(module), "onnx_fp16")


def test_an_overflow_between_layers_is_said_to_be_the_modules_own() -> None:
    module = around(lambda x, scores: (scores * 1e6) / 1e6)
    with pytest.raises(VerificationError, match=r"in the module's own code"):
        half.prove(module, observed(module), "onnx_fp16")


def test_an_underflow_names_the_layer_that_loses_most() -> None:
    module = Scaled(1e-8).eval()
    with pytest.raises(VerificationError, match=r"the layer large \(Conv2d\) loses most: its output is off by 100\.0%"):
        half.prove(module, observed(module), "onnx_fp16")


def test_an_operator_without_a_half_kernel_proves_nothing() -> None:
    module, _ = factories.determinant()
    with pytest.raises(VerificationError, match="nothing proves that it survives FP16"):
        half.prove(module, observed(module), "onnx_fp16")


def changed(key: str, value: float) -> nn.Module:
    module = factories.network()
    module.state_dict()[key].view(-1)[-1] = value
    return module


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "7.weight",
            -65_505.0,
            r"onnx_fp16: the weight of the layer 7 \(Linear\) holds -65,505, and FP16 ends at 65,504",
        ),
        ("0.bias", 1e30, r"the bias of the layer 0 \(Conv2d\) holds 1"),
        ("1.running_var", 70_000.0, r"the running_var of the layer 1 \(BatchNorm2d\) holds 70,000"),
    ],
)
def test_weights_beyond_half_precision_are_named(key: str, value: float, said: str) -> None:
    with pytest.raises(VerificationError, match=said):
        half.check_weights(changed(key, value), "onnx_fp16")


def test_weights_within_half_precision_and_masks_are_let_through() -> None:
    module = changed("7.weight", 65_504.0)
    module.register_buffer("mask", torch.tensor([torch.finfo(torch.float32).min]))
    half.check_weights(module, "onnx_fp16")

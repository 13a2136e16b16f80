"""The three networks, against what is known of NVIDIA's."""

import pytest
import torch

from tritonrepo.export.network import ARCHITECTURES, Architecture, ResNet, build


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet50", 25_557_032), ("resnext101_32x4d", 44_177_704), ("se_resnext101_32x4d", 45_251_128)],
)
def test_parameters_are_as_many_as_nvidias(name: str, parameters: int) -> None:
    with torch.device("meta"):
        module = build(name)
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_keys_are_nvidias() -> None:
    with torch.device("meta"):
        state = build("se_resnext101_32x4d").state_dict()
    assert list(state)[:2] == ["conv1.weight", "bn1.weight"]
    assert {key.split(".")[0] for key in state} == {"conv1", "bn1", "layers", "fc"}
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layers.0.0.conv2.weight"] == (128, 4, 3, 3)
    assert shapes["layers.0.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layers.0.0.downsample.1.running_var"] == (256,)
    assert shapes["layers.2.22.squeeze.squeeze.weight"] == (16, 1024)
    assert shapes["layers.2.22.squeeze.expand.bias"] == (1024,)
    assert shapes["layers.3.2.bn3.weight"] == (2048,)
    assert shapes["fc.weight"] == (1000, 2048)


def test_stride_sits_on_the_3x3() -> None:
    with torch.device("meta"):
        block = build("resnet50").layers[1][0]  # type: ignore[index]
    assert block.conv1.stride == (1, 1)
    assert block.conv2.stride == (2, 2)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_image_size_and_batch(name: str) -> None:
    known = ARCHITECTURES[name]
    small = Architecture((1, 1), known.widths[:2], known.expansion, known.cardinality, known.squeeze_excitation)
    module = ResNet(small, classes=7).eval()
    with torch.no_grad():
        assert module(torch.zeros(2, 3, 64, 96)).shape == (2, 7)

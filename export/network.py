"""ResNet, ResNeXt and SE-ResNeXt with the state dict of NVIDIA's ConvNets, key for key.

Architecture: He et al., arXiv:1512.03385 (the v1.5 variant: the stride of a block sits on its 3x3 convolution);
Xie et al., arXiv:1611.05431 (grouped 3x3); Hu et al., arXiv:1709.01507 (squeeze and excitation).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

STEM_CHANNELS = 64
CLASSES = 1000
"""Those of ImageNet."""
SQUEEZE_CHANNELS = 16
"""NVIDIA squeezes every block to 16 channels, whatever its width."""


@dataclass(frozen=True)
class Architecture:
    """The numbers that tell the three networks apart.

    Attributes:
        depths: Blocks of each stage.
        widths: Channels of each stage's 3x3 convolutions.
        expansion: Channels of a block's output, as a multiple of its width.
        cardinality: Groups of the 3x3 convolutions.
        squeeze_excitation: Whether a block's output is weighted by channel.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    expansion: int
    cardinality: int = 1
    squeeze_excitation: bool = False


ARCHITECTURES = {
    "resnet50": Architecture((3, 4, 6, 3), (64, 128, 256, 512), expansion=4),
    "resnext101_32x4d": Architecture((3, 4, 23, 3), (128, 256, 512, 1024), expansion=2, cardinality=32),
    "se_resnext101_32x4d": Architecture(
        (3, 4, 23, 3), (128, 256, 512, 1024), expansion=2, cardinality=32, squeeze_excitation=True
    ),
}


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, groups=groups, bias=False)


class SqueezeExcitation(nn.Module):
    """Channel weights in 0..1 from the channel means: `[N, C, H, W]` -> `[N, C, 1, 1]`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, SQUEEZE_CHANNELS)
        self.expand = nn.Linear(SQUEEZE_CHANNELS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The weights of the block's output `x`."""
        means = x.mean((2, 3))
        weights = torch.sigmoid(self.expand(torch.relu(self.squeeze(means))))
        return weights[:, :, None, None]


class Bottleneck(nn.Module):
    """1x1, 3x3 (grouped, strided), 1x1, each with BatchNorm, around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, architecture: Architecture) -> None:
        super().__init__()
        outputs = width * architecture.expansion
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, stride, architecture.cardinality)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.squeeze = SqueezeExcitation(outputs) if architecture.squeeze_excitation else None

    def forward(self, x: Tensor) -> Tensor:
        """`[N, inputs, H, W]` -> `[N, outputs, H / stride, W / stride]`."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.squeeze is not None:
            out = out * self.squeeze(out)
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(out + shortcut)


class ResNet(nn.Module):
    """Images `[N, 3, H, W]`, FP32, normalised -> logits `[N, classes]`, FP32."""

    def __init__(self, architecture: Architecture, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv1 = _convolution(3, STEM_CHANNELS, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages: list[nn.Module] = []
        channels = STEM_CHANNELS
        for stage, (depth, width) in enumerate(zip(architecture.depths, architecture.widths, strict=True)):
            blocks: list[nn.Module] = []
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(channels, width, stride, architecture))
                channels = width * architecture.expansion
            stages.append(nn.Sequential(*blocks))
        self.layers = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 3, H, W]` -> `[N, classes]`."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layers(x).mean((2, 3))
        logits: Tensor = self.fc(x)
        return logits


def build(name: str, classes: int = CLASSES) -> ResNet:
    """A freshly initialised network of `ARCHITECTURES`, in training mode. Raises `KeyError` for an unknown name."""
    return ResNet(ARCHITECTURES[name], classes)

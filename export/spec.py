"""What is exported: the tensor contract, the formats, and what is known of a model beside its weights."""

import re
from dataclasses import dataclass, field

from client.preprocess import Preprocessing
from export.errors import UsageError

INPUT_NAME = "INPUT__0"
"""The `NAME__INDEX` convention that Triton's pytorch backend needs; the other backends follow it."""
OUTPUT_NAME = "OUTPUT__0"
LABELS_FILENAME = "labels.txt"
DEFAULT_MAX_BATCH_SIZE = 64
LARGEST_BATCH_SIZE = 1024
"""A batch of 1024 FP32 images of 224 x 224 is 616 MB on the wire; gRPC refuses messages of 2 GB."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Format:
    """A kind of artifact: its name in `<model>_<format>`, the Triton backend that runs it, and its file name."""

    name: str
    backend: str
    filename: str
    precision: str = "FP32"


TORCHSCRIPT = Format("torchscript", "pytorch", "model.pt")
ONNX = Format("onnx", "onnxruntime", "model.onnx")
ONNX_FP16 = Format("onnx_fp16", "onnxruntime", "model.onnx", "FP16")
TENSORRT = Format("tensorrt", "tensorrt", "model.plan", "FP16")
FORMATS = {format.name: format for format in (TORCHSCRIPT, ONNX, ONNX_FP16, TENSORRT)}


@dataclass(frozen=True)
class ModelSpec:
    """What a server and its clients must know of a classifier.

    A factory given with `--model FILE.py:FACTORY` may return `(module, ModelSpec(...))`; whatever it leaves out is
    taken from ImageNet's conventions.

    Raises `UsageError` for a name that cannot be a directory, or labels that labels.txt cannot hold.
    """

    name: str
    """Becomes the directory name `<name>_<format>` and the model's name in every request."""
    labels: tuple[str, ...] = ()
    """One label per class, in the order of the logits. Empty: ImageNet's if there are 1000 classes, else numbered."""
    synsets: tuple[str, ...] = ()
    """WordNet ids in the order of the logits, or empty."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    trained: bool = True
    """False: the weights are random, and every client says so."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UsageError(f"model name {self.name!r}: use letters, digits, '_', '.' and '-', starting with a letter")
        for index, label in enumerate(self.labels):
            if not isinstance(label, str) or not label.strip() or "\n" in label or "\r" in label:
                raise UsageError(f"label {index} is {label!r}: a label is one line of text that is not blank")
        if self.synsets and len(self.synsets) != len(self.labels):
            raise UsageError(f"{len(self.synsets)} synsets for {len(self.labels)} labels: give one for each, or none")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one preprocessed image, `[3, crop, crop]`."""
        return (3, self.preprocessing.crop, self.preprocessing.crop)

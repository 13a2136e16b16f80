"""What is exported: the names of the tensors, and what is known of a model beside its weights."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tritonrepo.client.decode import SCORES, Scores
from tritonrepo.client.errors import UsageError
from tritonrepo.client.label_files import check_labels
from tritonrepo.client.preprocess import Preprocessing

INPUT_NAME = "INPUT__0"
"""The `NAME__INDEX` convention that Triton's pytorch backend needs; the other backends follow it."""
OUTPUT_NAME = "OUTPUT__0"
INPUTS = (("NCHW", "FP32"), ("NHWC", "UINT8"))
"""Normalised images, or pixels."""
LONGEST_NAME = 200
"""A file name has at most 255 bytes, and the format and the stage are added to this one."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST_NAME - 1}}}")


@dataclass(frozen=True)
class ModelSpec:
    """What a server and its clients must know of a classifier.

    A factory given with `--model FILE.py:FACTORY` may return `(module, ModelSpec(...))`; whatever it leaves out is
    taken from ImageNet's conventions.

    Attributes:
        name: Becomes the directory name `<name>_<format>` and the model's name in every request.
        labels: One label per class, in the order of the logits. Empty: ImageNet's if there are 1000 classes, else
            numbered.
        synsets: WordNet ids in the order of the logits, or empty.
        preprocessing: How an image becomes the input.
        trained: False: the weights are random, and every client says so.
        scores: What the output is, so that no client applies softmax twice: `logits`, `probabilities` (a softmax is
            inside the module), `log-probabilities`, or `independent` (a sigmoid is). None: the exporter sees it from
            the values; in a contract, logits.

    Raises:
        UsageError: A name that cannot be a directory, labels that labels.txt cannot hold, another layout or datatype,
            an unknown kind of scores.
    """

    name: str
    labels: tuple[str, ...] = ()
    synsets: tuple[str, ...] = ()
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    trained: bool = True
    scores: Scores | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UsageError(
                f"model name {self.name!r}: use letters, digits, '_', '.' and '-', first a letter or digit, at most "
                f"{LONGEST_NAME} of them"
            )
        for field_name in ("labels", "synsets"):
            names = getattr(self, field_name)
            if isinstance(names, str) or not isinstance(names, Iterable):
                raise UsageError(f"the {field_name} of {self.name} are {names!r}: give a list, with one for each class")
            object.__setattr__(self, field_name, tuple(names))
        if not isinstance(self.trained, bool):
            raise UsageError(f"trained of {self.name} is {self.trained!r}: say true or false, without quotes")
        check_labels(self.labels)
        if self.synsets and len(self.synsets) != len(self.labels):
            raise UsageError(f"{len(self.synsets)} synsets for {len(self.labels)} labels: give one for each, or none")
        if self.scores is not None and self.scores not in SCORES:
            raise UsageError(f"the scores of {self.name} are {self.scores!r}: say one of {', '.join(SCORES)}")
        self._check_preprocessing()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one preprocessed image, `[channels, height, width]`; of pixels, `[height, width, channels]`."""
        return self.preprocessing.shape

    def _check_preprocessing(self) -> None:
        if not isinstance(self.preprocessing, Preprocessing):
            raise UsageError(
                f"the preprocessing of {self.name} is a {type(self.preprocessing).__name__}, not a Preprocessing"
            )
        if (self.preprocessing.layout, self.preprocessing.dtype) not in INPUTS:
            raise UsageError(
                f"the preprocessing of {self.name} gives {self.preprocessing.layout} {self.preprocessing.dtype}; "
                f"every model here takes {' or '.join(map(' '.join, INPUTS))}"
            )

"""What is said of a subject before the long steps."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from torch import nn

from tests import factories
from tritonrepo.client.decode import Scores
from tritonrepo.client.errors import UsageError
from tritonrepo.export import FORMATS, Options, Serving, Watcher, build
from tritonrepo.export.gate.reference import Reference
from tritonrepo.export.options import DALI
from tritonrepo.export.sources.loaded import Loaded, Origins
from tritonrepo.export.subject import answers, origins
from tritonrepo.repository.manifest import Weights

ORIGINS = Origins("config.json", "label_names", "those of the head in a.pth", "problem_type")
LOADED = Loaded(nn.Identity(), factories.spec(), Weights("file a.pth", "0123456789abcdef" * 4, True), ORIGINS)
VALUES = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)


def expected(scores: str) -> Reference:
    images = np.empty((4, 3, 2, 2), np.float32)
    return Reference(images, images, VALUES, (), (), cast(Scores, scores))


def test_each_part_comes_with_its_origin() -> None:
    assert list(origins(LOADED)) == [
        f"preprocessing: {factories.PREPROCESSING}; from config.json",
        "weights: file a.pth, SHA-256 0123456789ab…",
    ]
    assert list(answers(LOADED, expected("logits"))) == [
        "scores: logits, because they are neither probabilities nor their logarithms",
    ]


@pytest.mark.parametrize(
    ("stated", "scores", "said"),
    [
        ("independent", "independent", "scores: independent, as problem_type says"),
        (None, "probabilities", "scores: probabilities, because each picture's scores lie in 0 to 1 and add up to 1"),
    ],
)
def test_why_the_scores_are_what_they_are(stated: Scores | None, scores: str, said: str) -> None:
    loaded = replace(LOADED, spec=replace(LOADED.spec, scores=stated))
    assert list(answers(loaded, expected(scores)))[-1].startswith(said)


def test_untrained_weights_are_called_so() -> None:
    loaded = replace(LOADED, weights=Weights("seeded 0", "0" * 64, False))
    assert list(origins(loaded))[-1] == "weights: seeded 0, SHA-256 000000000000…, untrained"


def test_labels_that_are_too_few_are_found_before_the_reference_runs(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("ant\nbee\n")
    steps: list[str] = []
    options = Options(
        "tests/factories.py:tiny", None, (FORMATS["onnx"],), tmp_path / "models", labels=tmp_path / "labels.txt"
    )
    with pytest.raises(UsageError, match=r"labels\.txt: 2 labels for a model of 10 classes"):
        build(options, Watcher(step=steps.append))
    assert steps == ["network and weights"]


def test_pictures_that_dali_cannot_prepare_are_refused_before_the_reference_runs(tmp_path: Path) -> None:
    steps: list[str] = []
    options = Options("tests/factories.py:padded", None, (FORMATS["onnx"],), tmp_path / "models", encoded=DALI)
    with pytest.raises(UsageError, match=r"--encoded dali: .*take --encoded without dali"):
        build(options, Watcher(step=steps.append))
    assert steps == ["network and weights"]


def test_classes_and_labels_are_said_before_the_reference_runs(tmp_path: Path) -> None:
    said: list[str] = []
    options = Options("tests/factories.py:tiny", None, (), tmp_path / "models", Serving(max_batch_size=2))
    build(options, Watcher(said.append, said.append))
    first = said.index("reference: PyTorch on the verification pictures")
    assert said[first - 2 : first] == ["classes: 10, the network's own", "labels: those of the ModelSpec of tiny"]

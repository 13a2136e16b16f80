"""The scores among what a network returns."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import factories
from tests.export.gate.modules import SHAPE, around
from tritonrepo.client.errors import UsageError
from tritonrepo.export import outputs, to_onnx, to_torchscript

pytestmark = pytest.mark.slow

Named = namedtuple("Named", ["features", "head"])
IMAGES = torch.rand(3, *SHAPE)


@dataclass
class Answer:
    logits: Tensor
    other: Tensor


def features(images: Tensor) -> Tensor:
    return images.mean((2, 3))[:, :, None]


Make = Callable[[Tensor, Tensor], Any]
RULED: dict[str, tuple[Make, str]] = {
    "dict": (lambda x, s: {"features": s + 1, "logits": s}, "logits of the dict that the network returns, because of"),
    "ordered": (lambda x, s: OrderedDict(logits=s), "logits of the OrderedDict"),
    "dataclass": (lambda x, s: Answer(s, s + 1), "logits of the Answer that the network returns, because of its name"),
    "object": (lambda x, s: SimpleNamespace(logits=s, loss=None), "logits of the SimpleNamespace"),
    "tuple": (lambda x, s: (features(x), s), "1 of the tuple that the network returns, because it is the only one"),
    "list": (lambda x, s: [s], "0 of the list"),
    "named tuple": (lambda x, s: Named(features(x), s), "head of the Named"),
    "beside a table": (lambda x, s: [s, s[:1]], "0 of the list"),
    "one of a dict": (lambda x, s: {"out": s, "map": features(x), "best": s.argmax(1)}, "out of the dict"),
    "key that is a number": (lambda x, s: {7: s}, "7 of the dict"),
}


@pytest.mark.parametrize("case", RULED)
def test_the_rule_finds_the_scores_and_says_so(case: str, tmp_path: Path) -> None:
    make, said = RULED[case]
    module, notices = around(make), list[str]()
    chosen, classes = outputs.choose(module, SHAPE, None, notices.append)
    assert classes == factories.CLASSES
    assert len(notices) == 1
    assert said in notices[0]
    assert not chosen.training
    with torch.no_grad():
        expected = factories.network()(IMAGES)
        assert torch.equal(chosen(IMAGES), expected)
    to_torchscript.convert(chosen, SHAPE, tmp_path / "model.pt")
    assert torch.allclose(torch.from_numpy(to_torchscript.load(tmp_path / "model.pt")(IMAGES.numpy())), expected)


@pytest.mark.parametrize("case", ["dataclass", "named tuple", "dict"])
def test_the_choice_goes_into_onnx(case: str, tmp_path: Path) -> None:
    chosen, classes = outputs.choose(around(RULED[case][0]), SHAPE, None, lambda _: None)
    assert classes == factories.CLASSES
    to_onnx.convert(chosen, SHAPE, tmp_path / "model.onnx")
    found = torch.from_numpy(to_onnx.load(tmp_path / "model.onnx")(IMAGES.numpy()))
    assert torch.allclose(found, factories.network()(IMAGES), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda x, s: {"features": s, "logits": s + 1}, "features"),
        (lambda x, s: Answer(s + 1, s), "other"),
        (lambda x, s: (s + 1, s), "1"),
        (lambda x, s: Named(s + 1, s), "head"),
        (lambda x, s: Named(s + 1, s), "1"),
        (lambda x, s: {"features": s + 1, "other": s}, "1"),
    ],
)
def test_output_goes_before_the_rule(make: Make, wanted: str) -> None:
    notices: list[str] = []
    chosen, classes = outputs.choose(around(make), SHAPE, wanted, notices.append)
    assert classes == factories.CLASSES
    assert notices[0].endswith("as --output says")
    with torch.no_grad():
        assert torch.equal(chosen(IMAGES), factories.network()(IMAGES))


AMBIGUOUS = r"the network returns a tuple of 0 \(float32 \[2, 10\]\), 1 \(float32 \[2, 10\]\); "


@pytest.mark.parametrize(
    ("make", "wanted", "message"),
    [
        (
            lambda x, s: (s, s),
            None,
            AMBIGUOUS + "none is named logits, and 2 of them are .*; say which .* --output KEY",
        ),
        (lambda x, s: (s, s), "2", "--output 2: " + AMBIGUOUS + "there is no such part"),
        (
            lambda x, s: {"maps": x, "loss": None},
            None,
            r"maps \(float32 \[2, 3, 32, 32\]\), loss \(NoneType\); none is",
        ),
        (lambda x, s: {"logits": s, "loss": None}, "loss", r"loss \(NoneType\) is no tensor"),
        (lambda x, s: {"logits": s}, "logit", "there is no such part"),
        (lambda x, s: s, "logits", "--output logits: the network returns a Tensor alone"),
    ],
)
def test_what_cannot_be_chosen_is_refused_by_what_there_is(make: Make, wanted: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        outputs.choose(around(make), SHAPE, wanted, pytest.fail)


def test_a_network_that_fails_is_left_to_the_reference() -> None:
    module = around(lambda x, s: s[100])
    assert outputs.choose(module, SHAPE, "logits", pytest.fail)[0] is module


@pytest.mark.parametrize(
    ("make", "classes"),
    [
        (lambda x, s: s, factories.CLASSES),
        (lambda x, s: None, None),
        (lambda x, s: s.no_such_attribute, None),
        (lambda x, s: s[:, :1], None),
        (lambda x, s: s.argmax(1), None),
    ],
)
def test_a_tensor_and_what_the_reference_refuses_are_left_alone(make: Make, classes: int | None) -> None:
    module = around(make)
    assert outputs.choose(module, SHAPE, None, pytest.fail) == (module, classes)


def test_a_network_that_takes_one_picture_alone_is_looked_into_too() -> None:
    def alone(images: Tensor, scores: Tensor) -> Any:
        assert len(images) == 1
        return {"scores": scores, "maps": images}

    notices: list[str] = []
    chosen, classes = outputs.choose(around(alone), SHAPE, None, notices.append)
    assert classes == factories.CLASSES
    assert chosen(IMAGES[:1]).shape == (1, factories.CLASSES)
    assert notices[0].startswith("output: scores of the dict that the network returns")

"""Where a module takes a Python value from its input, which a trace would keep for every other one."""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests import factories
from tests.export.gate.modules import SHAPE, around
from tritonrepo.export import exits, to_onnx, to_torchscript
from tritonrepo.export.errors import ConversionError

EXAMPLE = torch.zeros(2, *SHAPE)


def dark_pictures_flip(x: Tensor, scores: Tensor) -> Tensor:
    if x.mean() < -1.5:
        return scores.flip(1)
    return scores


def as_a_number(x: Tensor, scores: Tensor) -> Tensor:
    return scores * float(x.amax().clamp(1, 2))


def as_an_index(x: Tensor, scores: Tensor) -> Tensor:
    return scores.roll(int(x[0, 0, 0, 0] > 5), 1)


def by_comparison(x: Tensor, scores: Tensor) -> Tensor:
    return scores.flip(1) if torch.equal(x, x.flip(0) + 1) else scores


def by_all_close(x: Tensor, scores: Tensor) -> Tensor:
    return scores if torch.allclose(x, x.flip(0)) else scores.flip(1)


def row_by_row(x: Tensor, scores: Tensor) -> Tensor:
    return torch.stack([row if row.argmax() == 3 else row.flip(0) for row in scores])


def as_a_list(x: Tensor, scores: Tensor) -> Tensor:
    return scores + torch.tensor(x.mean((1, 2, 3)).tolist())[:, None]


def through_numpy(x: Tensor, scores: Tensor) -> Tensor:
    return torch.from_numpy(scores.numpy() * 2)


def by_how_many(x: Tensor, scores: Tensor) -> Tensor:
    bright = (x.mean((1, 2, 3)) > 2.5).nonzero(as_tuple=True)[0]
    if len(bright) > 0:
        return scores.flip(1)
    return scores


def by_a_masks_size(x: Tensor, scores: Tensor) -> Tensor:
    bright = scores[x.mean((1, 2, 3)) > 2.5]
    return scores.flip(1) if bright.shape[0] else scores


def by_how_many_different(x: Tensor, scores: Tensor) -> Tensor:
    return scores if torch.unique(x).numel() < 10 else scores.flip(1)


WRONG = (
    by_how_many, by_a_masks_size, by_how_many_different,
    dark_pictures_flip, as_a_number, as_an_index, by_comparison, by_all_close, row_by_row, as_a_list, through_numpy,
)  # fmt: skip


@pytest.mark.parametrize("function", WRONG)
def test_a_value_that_becomes_pythons_is_found_with_its_line(function: Callable[..., Any]) -> None:
    code = function.__code__
    found = exits.find(around(function), EXAMPLE)
    assert [file for file, _ in found] == [code.co_filename]
    assert code.co_firstlineno < found[0][1] <= code.co_firstlineno + 3


def test_the_refusal_names_the_line_of_code(tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        to_torchscript.convert(around(dark_pictures_flip), SHAPE, tmp_path / "model")
    line = dark_pictures_flip.__code__.co_firstlineno + 1
    assert f"test_exits.py, line {line}: if x.mean() < -1.5:" in str(caught.value)
    assert "torch.where" in str(caught.value)
    assert not (tmp_path / "model").exists()
    with pytest.raises(ConversionError, match=rf"test_exits\.py, line {line}: if x\.mean\(\) < -1\.5:"):
        to_onnx.convert(around(dark_pictures_flip), SHAPE, tmp_path / "model")


def by_shape(x: Tensor, scores: Tensor) -> Tensor:
    if x.shape[2] != 32 or x.numel() == 0 or not x.is_contiguous():
        scores = scores.flip(1)
    return scores * float(x.shape[1]) + torch.zeros_like(x).sum()


def by_constant(x: Tensor, scores: Tensor) -> Tensor:
    return scores * float(torch.tensor(2.0)) if bool(torch.ones(()) > 0) else scores


def checked(x: Tensor, scores: Tensor) -> Tensor:
    assert not x.isnan().any(), "a message"
    if x.abs().max() > 1e6:
        raise ValueError("too bright")
    return scores


def told(x: Tensor, scores: Tensor) -> Tensor:
    print(f"mean {x.mean().item()}")
    if x.amax() > 100:
        logging.getLogger("mine").warning("bright")
    torch._assert((x < 1e6).all(), "too bright")  # type: ignore[no-untyped-call]
    return scores


def of_some_rows(x: Tensor, scores: Tensor) -> Tensor:
    """A size that values decide on, and no branch on it."""
    rows = (x.mean((1, 2, 3)) > 0).nonzero()[:, 0]
    chosen = scores[rows]
    return scores.index_copy(0, rows, chosen.flip(1).reshape(chosen.shape[0], scores.shape[1]))


def by_one_hot(x: Tensor, scores: Tensor) -> Tensor:
    """PyTorch itself looks at the values, of which nothing leaves it."""
    return scores + F.one_hot(scores.argmax(1), factories.CLASSES)


def by_tensors(x: Tensor, scores: Tensor) -> Tensor:
    return torch.where((x.mean((1, 2, 3)) < -1.5)[:, None], scores.flip(1), scores.clamp(-math.inf, 5))


@pytest.mark.parametrize("function", [by_shape, by_constant, checked, told, of_some_rows, by_one_hot, by_tensors])
def test_what_a_trace_may_keep_is_let_through(function: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.find(around(function), EXAMPLE) == []


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise AssertionError("nobody asks")


@pytest.mark.parametrize("where", ["around", "deep inside"])
def test_an_autograd_function_is_refused_in_a_line_that_names_the_other_format(where: str, tmp_path: Path) -> None:
    square: Any = Square.apply
    module = around(lambda x, scores: square(scores))
    module = module if where == "around" else nn.Sequential(nn.Sequential(module), nn.Identity()).eval()
    with pytest.raises(ConversionError, match=r"the torch\.autograd\.Function Square, .*--formats onnx") as caught:
        to_torchscript.convert(module, SHAPE, tmp_path / "model")
    assert "\n" not in str(caught.value)
    to_onnx.convert(module, SHAPE, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_branch_in_a_scripted_part_stays_a_branch(tmp_path: Path) -> None:
    @torch.jit.script
    def flip_dark(x: Tensor, scores: Tensor) -> Tensor:
        if bool(x.mean() < -1.5):
            return scores.flip([1])
        return scores

    module = around(flip_dark)
    assert exits.find(module, EXAMPLE) == []
    to_torchscript.convert(module, SHAPE, tmp_path / "model")
    run = to_torchscript.load(tmp_path / "model")
    for level in (-2.0, 1.0):
        batch = torch.full((1, *SHAPE), level)
        with torch.no_grad():
            np.testing.assert_allclose(run(batch.numpy()), module(batch).numpy(), atol=1e-5)

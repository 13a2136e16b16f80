"""The line of the user's code, and the reason in a line."""

import re
from typing import Any

import pytest
import torch

from tests import factories
from tritonrepo.export.blame import LONGEST, gist, where


def failure(module: torch.nn.Module) -> Exception:
    try:
        module(torch.zeros(3, 3, 32, 32))
    except Exception as exc:
        return exc
    raise AssertionError("the module does not fail")


class Reshaping(torch.nn.Module):
    """Fails below its own line, inside PyTorch."""

    def forward(self, x: torch.Tensor) -> Any:
        return torch.nn.functional.linear(x, torch.zeros(3, 7))


def test_the_innermost_line_of_the_user_is_named() -> None:
    found = where(failure(torch.nn.Sequential(factories.network()[:1], Reshaping())))
    line = Reshaping.forward.__code__.co_firstlineno + 1
    assert found == f" (test_blame.py, line {line}: return torch.nn.functional.linear(x, torch.zeros(3, 7)))"


def test_without_a_line_of_the_user_nothing_is_said() -> None:
    assert where(ValueError("never raised")) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the reason\n  in two lines\n\nFor more information, run with X", "the reason in two lines"),
        (
            "Traceback of TorchScript:\n  code\nTraceback, original:\nRuntimeError: the reason",
            "RuntimeError: the reason",
        ),
        ("", "ValueError"),
        ("x" * LONGEST, "x" * LONGEST),
    ],
)
def test_the_gist_is_a_line(text: str, expected: str) -> None:
    assert gist(ValueError(text)) == expected


def test_a_long_message_keeps_both_ends() -> None:
    assert re.fullmatch(r"start 0+ … 0+ end", gist(ValueError(f"start {'0' * 5000} end")))

"""Where a module takes a Python value from the data: a branch or a number that a trace would keep for every input."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
TO_PYTHON = {aten._local_scalar_dense, aten.item, aten.is_nonzero, aten.equal, aten.allclose}
"""Operators that give a Python value."""
METHODS_TO_PYTHON = (torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__, torch.Tensor.__dlpack__)
"""The same for methods that read the memory themselves."""
SIZED_BY_VALUES = {
    aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim, aten.unique_consecutive,
}  # fmt: skip
"""Operators whose result is as large as their input's values say."""
SIZES = (
    vars(torch._C.TensorBase)["shape"].__get__,
    torch.Tensor.size,
    torch.Tensor.numel,
    torch.Tensor.nelement,
    torch.Tensor.__len__,
)
"""What tells a tensor's size."""
SHAPES_ALONE = {
    aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.rand_like, aten.randn_like,
    aten.new_empty, aten.new_zeros, aten.new_ones, aten.new_full, aten.sym_size, aten.sym_numel,
}  # fmt: skip
"""Operators whose result has the input's shape and none of its values."""
TORCH = str(Path(torch.__file__).parent)

TELLING = ("print", "debug", "info", "warn", "warning", "error", "log", "_assert", "_check")
"""Functions and methods that only show what they are given, or check it."""

Line = tuple[str, int]
"""A file and a number in it."""


def find(module: nn.Module, example: torch.Tensor) -> list[Line]:
    """Run the module eagerly, follow what is computed from `example`, and note where it becomes a Python value.

    What depends on shapes alone is no tensor in eager PyTorch, so `if x.shape[2] == 224` is not among the lines; a
    branch on how many values `nonzero` found is.
    Neither is a value that decides on nothing but an error or a message.

    Args:
        module: It is called once.
        example: A batch.

    Returns:
        The lines outside PyTorch, in the order in which they ran.

    Raises:
        Exception: Whatever the module raises.
    """
    calls = _Calls(example.clone())
    with torch.no_grad(), calls, calls.operators:
        module(calls.given)
    lines = calls.exits + [line for line in calls.sizes if _decides(line)]
    return [line for line in dict.fromkeys(lines) if not _is_harmless(line)]


def describe(line: Line) -> str:
    """`FILE, line N: CODE`."""
    file, number = line
    return f"{Path(file).name}, line {number}: {_source(line)}"


def _is_harmless(line: Line) -> bool:
    """Whether the statement there only checks or tells something."""
    innermost = _statement(line)
    return innermost is not None and _only_checks_or_tells(innermost)


def _decides(line: Line) -> bool:
    """Whether the statement there chooses a way."""
    innermost = _statement(line)
    if innermost is None or isinstance(innermost, (ast.If, ast.While)):
        return innermost is not None
    return any(isinstance(node, ast.IfExp) for node in ast.walk(innermost))


def _statement(line: Line) -> ast.stmt | None:
    """The innermost one there; None where the source cannot be read."""
    file, number = line
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno <= number <= _end(node)]
    return max(statements, key=lambda node: (node.lineno, -_end(node)), default=None)


def _only_checks_or_tells(node: ast.stmt) -> bool:
    """Whether it is an `assert`, a `raise`, the call of a logger or `print`, or an `if` of nothing but these."""
    if isinstance(node, ast.If):
        return not node.orelse and all(map(_only_checks_or_tells, node.body))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        return getattr(called, "id", getattr(called, "attr", "")) in TELLING
    return isinstance(node, (ast.Assert, ast.Raise))


def _end(node: ast.stmt) -> int:
    """The last line of a statement's own words: of an `if`, that of its condition."""
    return (node.test.end_lineno if isinstance(node, (ast.If, ast.While)) else node.end_lineno) or node.lineno


def _source(line: Line) -> str:
    file, number = line
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()[number - 1].strip()
    except (OSError, UnicodeDecodeError, IndexError):
        return "its source cannot be read"


class _Tainted:
    """The memory that holds what was computed from the input."""

    def __init__(self) -> None:
        self._known: dict[int, StorageWeakRef] = {}  # the reference keeps the number from being given again

    def add(self, tensor: torch.Tensor) -> None:
        reference = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        self._known[reference.cdata] = reference

    def holds(self, value: object) -> bool:
        if not isinstance(value, torch.Tensor):
            return False
        return StorageWeakRef(value.untyped_storage()).cdata in self._known  # type: ignore[no-untyped-call]


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the values, and counts how many became Python's."""

    def __init__(self, given: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tainted = _Tainted()
        self.tainted.add(given)
        self.sized = _Tainted()
        self.left = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
        depends = any(map(self.tainted.holds, given))
        result = func(*args, **(kwargs or {}))
        if depends and func.overloadpacket in TO_PYTHON:
            self.left += 1
        elif depends and func.overloadpacket not in SHAPES_ALONE:
            written = given if func._schema.is_mutable else []
            for value in (*tree_leaves(result), *written):
                if isinstance(value, torch.Tensor):
                    self.tainted.add(value)
                    if self._sizes_by_values(func, given):
                        self.sized.add(value)
        return result

    def _sizes_by_values(self, func: Any, given: list[torch.Tensor]) -> bool:
        if func.overloadpacket is aten.index:  # by a mask, or by what nonzero found
            return any(index.dtype == torch.bool or self.sized.holds(index) for index in given[1:])
        return func.overloadpacket in SIZED_BY_VALUES


class _Calls(TorchFunctionMode):
    """Sees the calls in Python, and so which value is the module's own and which an operator's, as in one_hot."""

    def __init__(self, given: torch.Tensor) -> None:
        super().__init__()
        self.given = given
        self.operators = _Operators(given)
        self.exits: list[Line] = []
        self.sizes: list[Line] = []

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.operators.left
        result = func(*args, **(kwargs or {}))
        itself = func in METHODS_TO_PYTHON and self.operators.tainted.holds(args[0])
        if itself or (self.operators.left > before and not isinstance(result, torch.Tensor)):
            self._note(self.exits)
        if func in SIZES and self.operators.sized.holds(args[0]):
            self._note(self.sizes)
        return result

    @staticmethod
    def _note(lines: list[Line]) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith((TORCH, __file__)):
            frame = frame.f_back
        if frame is not None:
            lines.append((frame.f_code.co_filename, frame.f_lineno))

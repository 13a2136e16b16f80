"""ONNX files that Triton's onnxruntime backend would refuse."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.repository.faults import assert_found, edit_config, failures

ARTIFACT = "tiny_onnx/1/model.onnx"


def edit(root: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(root / ARTIFACT)
    change(model)
    onnx.save_model(model, root / ARTIFACT)


def set_opset(root: Path, number: int = 99) -> None:
    edit(root, lambda model: setattr(model.opset_import[0], "version", number))


def set_ir(root: Path) -> None:
    edit(root, lambda model: setattr(model, "ir_version", 99))


def cut_off(root: Path) -> None:
    (root / ARTIFACT).write_bytes((root / ARTIFACT).read_bytes()[:1000])


def no_graph(root: Path) -> None:
    (root / ARTIFACT).write_bytes(b"")


def other_side(root: Path) -> None:
    edit_config(root, "dims: 32", "dims: 33")


def other_datatype(root: Path) -> None:
    edit_config(root, "data_type: TYPE_FP32", "data_type: TYPE_FP16")


def other_output(root: Path) -> None:
    edit_config(root, 'name: "OUTPUT__0"', 'name: "logits"')


def other_input(root: Path) -> None:
    edit_config(root, 'name: "INPUT__0"', 'name: "image"')


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (cut_off, "model.onnx cannot be read"),
        (set_opset, "opset 99 is newer than 23, the newest that ONNX Runtime 1.27 (Triton 26.11)"),
        (set_ir, "IR version 99 is newer than 11"),
        (no_graph, "model.onnx (0 bytes) holds no graph"),
        (other_side, "INPUT__0 is [-1, 3, 33, 32] in the configuration, [-1, 3, 32, 32] in the graph"),
        (other_datatype, "INPUT__0 is TYPE_FP16 in the configuration, TYPE_FP32 in the graph"),
        (other_output, "the configuration has the output logits, the graph's are OUTPUT__0"),
        (other_input, "the graph needs the inputs INPUT__0, the configuration lacks one of them"),
    ],
)
def test_a_planted_fault_is_found(root: Path, plant: Callable[[Path], None], words: str) -> None:
    plant(root)
    assert_found(root, "tiny_onnx/1", words)


def test_an_older_triton_reads_less(root: Path) -> None:
    set_opset(root, 21)
    assert any("newer than 20, the newest that ONNX Runtime 1.17" in text for _, text in failures(root, "24.01"))
    assert not any("newer" in text for _, text in failures(root))

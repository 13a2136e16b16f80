"""The sections of the documents that benchmarks write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import format_table, wire
from tritonrepo.repository.formats import FORMATS

GATE = {"bytes": 18_900_000, "top1": 1.0, "worst_probability": 2.4e-06}
NETWORK: dict[str, Any] = {
    "created": "2026-11-26T10:00:00+00:00",
    "machine": "AMD EPYC",
    "threads": 2,
    "concurrency": 4,
    "formats": {
        "torchscript": {"images_per_second": [40.0, 38.0, 42.0], "times_onnx": [0.66, 0.6, 0.72], **GATE},
        "onnx": {"images_per_second": [60.0, 58.0, 62.0], "times_onnx": [1.0, 1.0, 1.0], **GATE},
        "onnx, --input uint8": {"images_per_second": [59.0, 57.0, 61.0], **GATE},
    },
    "refused": ["onnx_fp16"],
}


def test_each_format_has_a_row_and_what_was_not_run_is_called_so() -> None:
    text = format_table.section({"lite0": NETWORK})
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    same = "18.9 | 100.0%, 2e-06 | CPU, GPU"
    by, not_run = "`benchmarks.formats`", "compiled, never run: `export --formats"
    gpu = "GPU; an FP16 engine, built where it serves"
    assert rows[:4] == [
        f"| `onnx` | 60.0 (58.0 to 62.0), 1.00 (1.00 to 1.00) | {same} | {by} |",
        "| `onnx in OpenVINO` | - | - | not measured | CPU | - |",
        f"| `onnx, --input uint8` | 59.0 (57.0 to 61.0) in windows of its own | {same} | {by} |",
        "| `onnx_int8` | - | - | not measured | CPU | - |",
    ]
    assert f"| `onnx_fp16` | - | - | refused by the gate | GPU; a CPU computes it in FP32 | {by} |" in rows
    assert f"| `tensorrt` | - | - | - | {gpu} | {not_run} tensorrt` |" in rows
    assert text.startswith("**lite0**, on 2026-11-26 on AMD EPYC, 2 threads, 4 requests of one image in flight")
    assert "by `python -m benchmarks.formats --networks lite0`:" in text
    assert text.endswith("`python -m benchmarks.formats`.")


def test_no_format_is_without_a_row() -> None:
    text = format_table.section({"lite0": NETWORK})
    assert [name for name in FORMATS if f"\n| `{name}` |" not in text] == []


def test_each_kind_of_input_has_a_row() -> None:
    row = {"input": "encoded", "protocol": "grpc", "file_bytes": 46240, "bytes": 46365, "cpu_ms": 2.007}
    stored = {"created": "2026-11-26T09:37:00+00:00", "cpu": "AMD EPYC", "threads": 2, "images": 200, "inputs": [row]}
    text = wire.section(stored, Path("benchmarks/results/wire.json"))
    assert "| encoded | grpc | 46,365 | 2.01 |" in text.splitlines()
    assert "JPEG files of 46,240 bytes on average" in text

"""The README's table of formats, from what `python -m benchmarks.formats` stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MARK = "formats"
COMMAND = "python -m benchmarks.formats"
MEASURED = "`benchmarks.formats`"
COLUMNS = {
    "format": "---",
    "images/s, times `onnx`": "---",
    "size, MB": "---:",
    "agreement with PyTorch: top-1, worst probability": "---",
    "where it runs": "---",
    "measured by": "---",
}
"""With Markdown's marks of how each is aligned."""
CPU = "CPU"
RUNS_ON = {
    "onnx": "CPU, GPU",
    "onnx in OpenVINO": CPU,
    "onnx, --input uint8": "CPU, GPU",
    "onnx_int8": CPU,
    "onnx_int8 in OpenVINO": CPU,
    "onnx_fp16": "GPU; a CPU computes it in FP32",
    "torchscript": "CPU, GPU",
    "pt2": "the CPU that it was compiled for",
}
"""In the order of the rows."""
NOT_RUN = {
    "tensorrt": "GPU; an FP16 engine, built where it serves",
    "tensorrt_int8": "GPU; an INT8 engine from an explicit Q/DQ graph, built where it serves",
}
"""Formats that no machine here has run, and where they would run."""


def section(stored: Mapping[str, Any]) -> str:
    """Markdown: a table for each network, with a row for every format."""
    parts = [part for name, found in stored.items() for part in _network(name, found)]
    return "\n\n".join([*parts, f"This section is generated: `{COMMAND}`."])


def _network(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"**{name}**, on {found['created'][:10]} on {found['machine']}, {found['threads']} threads, "
        f"{found['concurrency']} requests of one image in flight, with 95% intervals, by "
        f"`{COMMAND} --networks {name}`:"
    )
    rows = [_row(what, where, found) for what, where in RUNS_ON.items()]
    compiled = "compiled, never run: `export --formats {}`"
    rows += [_line(f"`{what}`", "-", "-", "-", where, compiled.format(what)) for what, where in NOT_RUN.items()]
    yield "\n".join([_line(*COLUMNS), _line(*COLUMNS.values()), *rows])


def _row(what: str, where: str, found: Mapping[str, Any]) -> str:
    figures = found["formats"].get(what)
    if figures is None:
        said = ("refused by the gate", where, MEASURED) if what in found["refused"] else ("not measured", where, "-")
        return _line(f"`{what}`", "-", "-", *said)
    speed, low, high = figures["images_per_second"]
    times = figures.get("times_onnx")
    ratio = f", {times[0]:.2f} ({times[1]:.2f} to {times[2]:.2f})" if times else " in windows of its own"
    agreement = f"{figures['top1']:.1%}, {figures['worst_probability']:.1g}"
    size = f"{figures['bytes'] / 1e6:,.1f}"
    rate = f"{speed:.1f} ({low:.1f} to {high:.1f}){ratio}"
    return _line(f"`{what}`", rate, size, agreement, where, MEASURED)


def _line(*texts: str) -> str:
    return f"| {' | '.join(texts)} |"

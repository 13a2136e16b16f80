"""The README's table of formats, from what `python -m benchmarks.formats` stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MARK = "formats"
HEADINGS = ("format", "images/s, times `onnx`", "size, MB", "agreement with PyTorch: top-1, worst probability")
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
    "tensorrt": "FP16 engine, built where it serves",
    "tensorrt_int8": "INT8 engine from the Q/DQ graph of `onnx_int8`",
}
"""Formats that no machine here has run."""


def section(stored: Mapping[str, Any]) -> str:
    """Markdown: a table for each network, then the formats that were not run."""
    parts = [part for name, found in stored.items() for part in _network(name, found)]
    untried = " ".join(f"`{name}`: {what}; the compiler accepts it, it was not run." for name, what in NOT_RUN.items())
    return "\n\n".join([*parts, untried, "This section is generated: `python -m benchmarks.formats`."])


def _network(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"**{name}**, on {found['created'][:10]} on {found['machine']}, {found['threads']} threads, "
        f"{found['concurrency']} requests of one image in flight, with 95% intervals:"
    )
    formats = found["formats"]
    rows = [_row(what, formats[what], where) for what, where in RUNS_ON.items() if what in formats]
    rows += [_line((f"`{what}`", "-", "-", "refused by the gate", "-")) for what in found["refused"]]
    yield "\n".join([_line((*HEADINGS, "where it runs")), "| --- | --- | ---: | --- | --- |", *rows])


def _row(what: str, found: Mapping[str, Any], where: str) -> str:
    speed, low, high = found["images_per_second"]
    times = found.get("times_onnx")
    ratio = f", {times[0]:.2f} ({times[1]:.2f} to {times[2]:.2f})" if times else " in windows of its own"
    agreement = f"{found['top1']:.1%}, {found['worst_probability']:.1g}"
    size = f"{found['bytes'] / 1e6:,.1f}"
    return _line((f"`{what}`", f"{speed:.1f} ({low:.1f} to {high:.1f}){ratio}", size, agreement, where))


def _line(texts: tuple[str, ...]) -> str:
    return f"| {' | '.join(texts)} |"

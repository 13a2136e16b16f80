"""Every format that a CPU serves, in one interleaved run for each network, and the README's table of them.

    python -m benchmarks.formats                               # both networks
    python -m benchmarks.formats --networks efficientnet_lite0

It exports what is not there yet, serves all of it with the embedded Triton, and lets `compare` drive the formats in
windows next to each other, four requests in flight. The format that takes pixels is fed otherwise, so it has windows of
its own right after. It wants a quiet machine, a C++ compiler and the extra `openvino`, and takes about 6 minutes a
network after the exports. The figures go to `formats.json` in `--output`, and the table of `--readme` is written anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import int8
from benchmarks.format_table import MARK, section
from tritonrepo.cli.status import EXIT_SOME_FAILED
from tritonrepo.compare import measure, write_report
from tritonrepo.compare.views.readme import replace_section
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.serve.triton import TritonServer

NETWORKS = {
    "resnext101_32x4d": ("resnext101_32x4d", "seeded"),
    "efficientnet_lite0": ("examples/efficientnet_lite0.py:efficientnet_lite0", ""),
}
"""Model and weights, as of `tritonrepo export`; without weights the source's own."""
PLAIN = ("onnx", "torchscript", "pt2", "onnx_fp16")
PIXELS = "onnx, --input uint8"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.formats", description=str(__doc__).splitlines()[0])
    add = parser.add_argument
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    add("--repository", type=Path, default=Path(".bench/formats"), metavar="DIR", help="one for each network in it")
    add("--output", type=Path, default=Path("benchmarks/results"), metavar="DIR")
    add("--readme", type=Path, default=Path("README.md"), metavar="FILE")
    int8.add_load_options(parser)
    return parser


def export(options: argparse.Namespace) -> tuple[dict[str, str], list[str]]:
    """Make what is not there; what is compared, in words, and its model; and the formats that the gate refused."""
    models, refused = {}, []
    for format in PLAIN:
        try:
            models[format] = int8.make(options, options.name, format)
        except subprocess.CalledProcessError as error:
            if error.returncode != EXIT_SOME_FAILED:
                raise
            refused.append(format)
    accelerated = options.name + int8.ACCELERATED
    models["onnx in OpenVINO"] = int8.make(options, accelerated, "onnx", "--onnx-accelerator", "openvino")
    return models | int8.export(options), refused


def run(options: argparse.Namespace) -> dict[str, Any]:
    """A network's figures, by format."""
    models, refused = export(options)
    pixels = {PIXELS: int8.make(options, f"{options.name}_uint8", "onnx", "--input", "uint8")}
    with TritonServer(options.repository) as server:
        report = measure(int8.plan(options, models), server.grpc_url)
        alone = measure(int8.plan(options, pixels), server.grpc_url)
    write_report(report, options.output / f"formats-{options.name}-report.json")
    found = int8.figures(report, models)
    formats = {what: found.pop(what) for what in models}
    speed = alone.cells_of(pixels[PIXELS])[0].images_per_second
    formats[PIXELS] = {"images_per_second": [speed.mean, speed.low, speed.high]}
    for what, model in {**models, **pixels}.items():
        formats[what] |= published(options.repository / model)
    return {**found, "concurrency": options.concurrency, "formats": formats, "refused": refused}


def published(model: Path) -> dict[str, Any]:
    """Size, and what the gate found, of the newest version."""
    manifest = read_manifest(model / str(version_numbers(model)[-1]))
    gate = manifest.verification
    return {"bytes": manifest.artifact.bytes, "top1": gate.top1_agreement, "worst_probability": gate.worst_probability}


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    stored = options.output / "formats.json"
    found = json.loads(stored.read_text()) if stored.exists() else {}
    repository = options.repository
    for name in options.networks:
        options.name, options.repository = name, repository / name
        options.model, options.weights = NETWORKS[name]
        found[name] = run(options)
        stored.write_text(json.dumps(found, indent=1) + "\n")
    text = section(found)
    replace_section(options.readme, text, MARK)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

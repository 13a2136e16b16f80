"""`tritonrepo export`: a PyTorch image classifier into a verified Triton model repository."""

from __future__ import annotations

import argparse
import functools
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import path, whole_number, word
from tritonrepo.cli.export_table import UNTRAINED, Steps, after_words, table
from tritonrepo.cli.export_words import compute_capability, formats, model
from tritonrepo.cli.places import add_repository_option
from tritonrepo.cli.silence import silence
from tritonrepo.cli.status import terminate_as_interrupt
from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.export.options import CPU_ISAS, DALI, EngineOptions, Options, Watcher
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.serving import LARGEST_BATCH_SIZE, Serving

if TYPE_CHECKING:
    from tritonrepo.export.outcome import Build
    from tritonrepo.repository.store.address import Address

SUMMARY = (
    "Export a PyTorch image classifier into a Triton model repository. Each artifact is verified against PyTorch; "
    "nothing is published unless all of them match."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `export`."""
    parser.epilog = (
        "`versions` lists what a repository holds, and `rollback NAME` goes back to the version before; `doctor` says "
        "what this machine has, and what in a repository would fail to load."
    )
    _add_model(parser)
    _add_serving(parser)
    _add_repository(parser)
    _add_cpu(parser)
    _add_gpu(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    """What to export."""
    add = parser.add_argument_group("the model").add_argument
    add(
        "--model",
        default="resnext101_32x4d",
        type=model,
        metavar="NAME|LIBRARY:NAME|FILE.py:FACTORY|FILE.pt2",
        help="resnet50, resnext101_32x4d, se_resnext101_32x4d; timm:NAME, timm:DIR, torchvision:NAME[:WEIGHTS] or "
        "hf:DIR; package.module:FACTORY or a file's FACTORY, which returns a torch.nn.Module, or a pair of one and a "
        "tritonrepo.export.ModelSpec; an exported program, with --spec",
    )
    add(
        "--weights",
        type=word,
        metavar="ngc|auto|seeded[:N]|PATH",
        help="where the weights come from; without it NGC, or the source's own",
    )
    add("--ema", action="store_true", help="the moving averages of a checkpoint's weights, not the weights themselves")
    add(
        "--classes",
        type=whole_number(2, 1_000_000),
        metavar="N",
        help="classes of the head; without it those of the checkpoint's, or of the network's own",
    )
    add(
        "--input",
        choices=["fp32", "uint8"],
        default=Options.input,
        help="what a client sends: normalised images, or pixels, a quarter of the bytes, that the artifact normalises",
    )
    add(
        "--encoded",
        nargs="?",
        const="auto",
        choices=["auto", *FORMATS, DALI],
        metavar="FORMAT|dali",
        help="also an ensemble NAME_encoded that takes image files as they are and names the best classes; on the "
        "fastest of the formats, or on this one; dali: NAME_encoded_dali, decoded on a GPU, written and not run",
    )
    add("--output", type=word, metavar="KEY", help="key, attribute or index of the scores in what the network returns")
    add("--formats", default="torchscript,onnx", type=formats, help=f"comma-separated, of {','.join(FORMATS)}")
    add("--name", help="name of the model, before _<format>; without it that of the network or the factory")
    add(
        "--labels",
        type=path,
        metavar="FILE|DIR",
        help="a label a line in the order of the logits, a .csv, a .json of index and name, or a directory of class "
        "folders",
    )
    add("--spec", type=path, metavar="FILE", help="TOML: name, labels and preprocessing of an exported program")
    add("--images", type=path, metavar="DIR", help="photographs to verify on; without it, those of scikit-image")


def _add_serving(parser: argparse.ArgumentParser) -> None:
    """What ends in config.pbtxt."""
    group = parser.add_argument_group("in the server")
    add = group.add_argument
    add(
        "--max-batch-size",
        default=Serving.max_batch_size,
        type=whole_number(1, LARGEST_BATCH_SIZE),
        metavar="N",
        help="largest batch that the server accepts or forms",
    )
    add(
        "--queue-delay-us",
        default=Serving.queue_delay_us,
        type=whole_number(0, 10_000_000),
        metavar="N",
        help="microseconds for which the server may hold a request to fill a batch",
    )
    _add_queue(group)
    add(
        "--instances",
        default=Serving.instances,
        type=whole_number(1, 64),
        metavar="N",
        help="copies of the model per device",
    )
    add(
        "--cpu-threads",
        type=whole_number(1, 1024),
        metavar="N",
        help="threads per operator on a CPU; without it every core",
    )
    add(
        "--cpu-isa",
        choices=CPU_ISAS,
        default=Options.cpu_isa,
        help="for pt2: the CPU that it is compiled for; v3 has AVX2, v4 AVX-512 beside it, native is this machine's",
    )


def _add_queue(group: argparse._ArgumentGroup) -> None:
    """How requests wait."""
    add = group.add_argument
    add(
        "--max-queue-size",
        default=Serving.max_queue_size,
        type=whole_number(0, 1_000_000),
        metavar="N",
        help="requests that may wait for the model; more are refused at once; slower (docs/serving.md); 0: no bound",
    )
    add(
        "--queue-timeout-ms",
        default=Serving.queue_timeout_ms,
        type=whole_number(0, 3_600_000),
        metavar="N",
        help="milliseconds after which a waiting request is refused; slower likewise; 0: never",
    )
    add(
        "--priority-levels",
        default=Serving.priority_levels,
        type=whole_number(0, 100),
        metavar="N",
        help="priorities that requests may name, 1 the most urgent; slower likewise; 0: none",
    )


def _add_repository(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    group = parser.add_argument_group("the repository")
    add_repository_option(group)
    add = group.add_argument
    add(
        "--keep",
        default=Options.keep,
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="versions to keep of each model",
    )
    help = "where .NAME.staging is made, outside the repository; without it beside it. For a store: on this machine"
    add("--staging", type=path, metavar="DIR", help=help)
    help = "add the version and go on serving the one before; `tritonrepo release` then takes it"
    add("--stage", action="store_true", help=help)
    help = "keep the version before loaded too, so that no request is refused at the switch; twice the memory"
    add("--overlap", action="store_true", help=help)


def _add_cpu(parser: argparse.ArgumentParser) -> None:
    """INT8, and who runs a graph of ONNX."""
    add = parser.add_argument_group("INT8 and accelerators").add_argument
    add(
        "--calibration",
        type=path,
        metavar="DIR",
        help="for onnx_int8 and tensorrt_int8: photographs to measure the ranges on; without it, half of those of the "
        "verification, and the other half judges",
    )
    add(
        "--onnx-accelerator",
        choices=["openvino", "tensorrt"],
        help="for ONNX: ONNX Runtime hands the graph to OpenVINO on a CPU, or to TensorRT on a GPU; without it, it "
        "runs it itself",
    )


def _add_gpu(parser: argparse.ArgumentParser) -> None:
    """What concerns a GPU."""
    group = parser.add_argument_group("on a GPU", "For the format tensorrt, except where they say otherwise.")
    add = group.add_argument
    add(
        "--preferred-batch-size",
        default=Serving.preferred_batch_size,
        type=whole_number(1, LARGEST_BATCH_SIZE),
        metavar="N",
        help="the batch size that TensorRT chooses its kernels for",
    )
    _add_engine(group)
    add("--eager-batching", action="store_true", help="prepare the next batch while one executes")
    add("--output-copy-stream", action="store_true", help="copy outputs to the host in a stream of their own")


def _add_engine(group: argparse._ArgumentGroup) -> None:
    """How an engine is built."""
    add = group.add_argument
    add(
        "--workspace-mib",
        default=EngineOptions.workspace_mib,
        type=whole_number(1, 1 << 20),
        metavar="N",
        help="scratch memory of a layer, at most",
    )
    add(
        "--optimisation-level",
        default=EngineOptions.optimisation_level,
        type=whole_number(0, 5),
        metavar="0..5",
        help="from building fast to running fast",
    )
    add("--hardware-compatible", action="store_true", help="an engine for every GPU from Ampere on, somewhat slower")
    add(
        "--version-compatible",
        action="store_true",
        help="an engine for later TensorRT releases too; Triton loads it with "
        "--backend-config=tensorrt,version-compatible=true",
    )
    add(
        "--compute-capability",
        default=EngineOptions.compute_capability,
        type=compute_capability,
        metavar="X.Y",
        help="what is compiled for where there is no GPU; nothing is published then",
    )


def run(args: argparse.Namespace) -> int:
    """Export; the exit status."""
    terminate_as_interrupt()
    try:
        return _export(args)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("while exporting; every model in the repository is whole") from None


def _export(args: argparse.Namespace) -> int:
    try:
        from tritonrepo.export.steps import build
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed: {install_command('export')}") from exc
    console = terminal.error_console()
    with Steps(console) as steps:
        watcher = Watcher(steps.notice, steps.begin, steps.download, functools.partial(silence, console))
        result = build(_options(args), watcher)
    _conclude(result, args.repository)
    return result.exit_status


def _options(args: argparse.Namespace) -> Options:
    words = vars(args)
    serving, engine, chosen = (
        {field.name: words[field.name] for field in fields(kind) if field.name in words}
        for kind in (Serving, EngineOptions, Options)
    )
    return Options(**chosen, serving=Serving(**serving), engine=EngineOptions(**engine))


def _conclude(result: Build, repository: Path | Address) -> None:
    """Show what became of each format, and why."""
    output = terminal.console()
    output.print(table(result))
    for error in result.errors:
        output.print(Text(f"error: {error}", style="red"), soft_wrap=True)
    for sentence in after_words(result):
        output.print(Text(sentence), soft_wrap=True)
    if result.exit_status:
        output.print(f"nothing was published: {repository} is as it was", soft_wrap=True)
    elif not result.weights.trained:
        output.print(Text(UNTRAINED, style="yellow"))

"""`python -m export`: the parser, the calls and the words; nothing else here prints or exits."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from io import TextIOWrapper
from pathlib import Path

from rich.console import Console

from export.errors import ExportError, MissingError, UsageError
from export.present import UNTRAINED, Steps, line, table
from export.spec import DEFAULT_MAX_BATCH_SIZE, FORMATS, LARGEST_BATCH_SIZE, Format

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a path may hold what the terminal's encoding does not
    console = Console(stderr=True, highlight=False)
    try:
        if words[:1] == ["rollback"]:
            return _roll_back(_rollback_parser().parse_args(words[1:]), console)
        if words[:1] == ["doctor"]:
            return _examine(_doctor_parser().parse_args(words[1:]))
        return _export(_parser().parse_args(words), console)
    except ExportError as exc:
        console.print(f"error: {exc}", style="red", markup=False, soft_wrap=True)
        return exc.exit_status
    except OSError as exc:
        console.print(f"error: {exc}", style="red", markup=False, soft_wrap=True)
        return MissingError.exit_status
    except KeyboardInterrupt:
        console.print("interrupted; every model in the repository is whole", style="red")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Export a PyTorch image classifier into a Triton model repository. Each artifact is verified "
        "against PyTorch; nothing is published unless all of them match.",
        epilog="python -m export rollback NAME withdraws the newest version of a model; python -m export doctor says "
        "what this machine has, and what in a repository would fail to load.",
    )
    add = parser.add_argument
    add(
        "--model",
        default="resnext101_32x4d",
        metavar="NAME|FILE.py:FACTORY",
        help="resnet50, resnext101_32x4d, se_resnext101_32x4d, or your own: FACTORY() returns a torch.nn.Module, or a "
        "pair of one and an export.spec.ModelSpec",
    )
    add(
        "--weights",
        metavar="ngc|auto|seeded[:N]|PATH",
        help="where the weights come from; without it NGC, or the factory's own",
    )
    add("--formats", default="torchscript,onnx", type=_formats, help=f"comma-separated, of {','.join(FORMATS)}")
    add("--repository", default=Path("model_repository"), type=Path, metavar="DIR", help="the model repository")
    add(
        "--max-batch-size",
        default=DEFAULT_MAX_BATCH_SIZE,
        type=_within(1, LARGEST_BATCH_SIZE),
        metavar="N",
        help="largest batch that the server accepts or forms",
    )
    add("--name", help="name of the model, before _<format>; without it that of the network or the factory")
    add("--labels", type=Path, metavar="FILE", help="one label a line, in the order of the logits")
    add("--images", type=Path, metavar="DIR", help="photographs to verify on; without it, those of scikit-image")
    add(
        "--queue-delay-us",
        default=0,
        type=_within(0, 10_000_000),
        metavar="N",
        help="microseconds for which the server may hold a request to fill a batch",
    )
    add("--instances", default=1, type=_within(1, 64), metavar="N", help="copies of the model per device")
    add(
        "--cpu-threads", type=_within(1, 1024), metavar="N", help="threads per operator on a CPU; without it every core"
    )
    add("--keep", default=2, type=_within(1, 1_000_000), metavar="N", help="versions to keep of each model")
    add(
        "--staging",
        type=Path,
        metavar="DIR",
        help="where .NAME.staging is made, on the repository's filesystem but outside it; without it beside it",
    )
    _add_gpu_options(parser)
    return parser


def _add_gpu_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "on a GPU", "For the format tensorrt, except where they say otherwise."
    ).add_argument
    add(
        "--preferred-batch-size",
        default=8,
        type=_within(1, LARGEST_BATCH_SIZE),
        metavar="N",
        help="the batch size that TensorRT chooses its kernels for",
    )
    add(
        "--workspace-mib",
        default=4096,
        type=_within(1, 1 << 20),
        metavar="N",
        help="scratch memory of a layer, at most",
    )
    add(
        "--optimisation-level",
        default=3,
        type=_within(0, 5),
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
        default="8.9",
        type=_compute_capability,
        metavar="X.Y",
        help="what is compiled for where there is no GPU; nothing is published then",
    )
    add("--eager-batching", action="store_true", help="prepare the next batch while one executes")
    add("--output-copy-stream", action="store_true", help="copy outputs to the host in a stream of their own")
    add(
        "--onnx-accelerator",
        choices=["tensorrt"],
        help="for onnx and onnx_fp16: ONNX Runtime hands the graph to TensorRT; without it, it runs it on CUDA",
    )


def _doctor_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export doctor",
        description="Say what this machine has, what each format needs, and what in the repository Triton would fail "
        "to load. Changes nothing. Exit status 1 if something would fail.",
    )
    parser.add_argument("--repository", default=Path("model_repository"), type=Path, metavar="DIR")
    parser.add_argument(
        "--triton-release", metavar="YY.MM", help="the release that is to serve; without it the one that .env pins"
    )
    return parser


def _rollback_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export rollback", description="Withdraw the newest version of a model."
    )
    parser.add_argument("name", metavar="NAME", help="directory of the model in the repository")
    parser.add_argument("--repository", default=Path("model_repository"), type=Path, metavar="DIR")
    parser.add_argument("--staging", type=Path, metavar="DIR")
    return parser


def _compute_capability(text: str) -> str:
    if not re.fullmatch(r"\d{1,2}\.\d", text):
        raise argparse.ArgumentTypeError(f"{text!r}: give it as in 8.9")
    return text


def _formats(text: str) -> tuple[Format, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"unknown format {', '.join(unknown) or text!r}; known: {', '.join(FORMATS)}")
    return tuple(FORMATS[name] for name in dict.fromkeys(names))


def _within(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {low} to {high}")
        return int(text)

    return number


def _export(options: argparse.Namespace, console: Console) -> int:
    try:
        from export.build import Options, Watcher, build
        from export.config import EngineOptions, Serving
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed; pip install '.[export]' brings it") from exc
    words = vars(options)
    serving = Serving(**{field.name: words.pop(field.name) for field in fields(Serving)})
    engine = EngineOptions(**{field.name: words.pop(field.name) for field in fields(EngineOptions)})
    chosen = Options(serving=serving, engine=engine, **words)
    with Steps(console) as steps:
        result = build(chosen, Watcher(steps.notice, steps.begin, steps.download))
    output = Console(highlight=False)
    output.print(table(result))
    for error in result.errors:
        output.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
    if result.exit_status:
        output.print(f"nothing was published: {options.repository} is as it was", markup=False, soft_wrap=True)
    elif not result.weights.trained:
        output.print(UNTRAINED, style="yellow")
    return result.exit_status


def _examine(options: argparse.Namespace) -> int:
    try:
        from export import doctor
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed; pip install '.[export]' brings it") from exc
    release = options.triton_release or doctor.pinned_release()
    findings = [*doctor.examine_host(), *doctor.examine_repository(options.repository, release)]
    output = Console(highlight=False)
    for finding in findings:
        output.print(line(finding), soft_wrap=True)
    failures = sum(finding.level == "fail" for finding in findings)
    output.print(f"{failures} of {len(findings)} findings would keep Triton {release} from loading a model")
    return 1 if failures else 0


def _roll_back(options: argparse.Namespace, console: Console) -> int:
    from export.publish import open_repository

    named = Path(options.name).name == options.name and options.name not in ("", "..")
    if not named or not (options.repository / options.name).is_dir():
        raise UsageError(f"{options.repository / options.name}: no such model; name a directory of the repository")
    with open_repository(options.repository, options.staging, console.print) as repository:
        version = repository.roll_back(options.name)
    console.print(f"{options.name}: version {version} is the newest again", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`tritonrepo manifests`: the files with which Kubernetes or KServe serves a model repository."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import path, whole_number
from tritonrepo.cli.places import repository
from tritonrepo.cli.status import EXIT_DONE
from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import printable
from tritonrepo.repository.release import TRITON_RELEASE, check_release, pinned_release
from tritonrepo.repository.store.address import open_store, read_address

SUMMARY = (
    "Write a directory that `kubectl apply -k` takes: the official image over a model repository that is in a store or "
    "on a volume, with memory and disk for its models."
)
OUTPUT = Path("manifests")
HERE = Path("model_repository")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `manifests`."""
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="models, with or without their format; all without it")
    add("--target", required=True, choices=("kubernetes", "kserve"))
    add(
        "--repository",
        required=True,
        metavar="URL",
        help="where the pods read: s3://BUCKET/PREFIX, s3://HOST:PORT/BUCKET/PREFIX or pvc://CLAIM/PATH",
    )
    add("--profile", required=True, choices=("gpu", "cpu"), help="whether each pod has a GPU")
    add(
        "--models",
        type=repository,
        metavar="DIR|URL",
        help=f"the same repository as this machine reads it, to see how large the models are; without it {HERE}, or "
        "the store of --repository where that is not here",
    )
    add("--output", default=OUTPUT, type=path, metavar="DIR", help="what to write (%(default)s)")
    add("--replicas", default=2, type=whole_number(1, 1000), metavar="N", help="pods, at the least (%(default)s)")
    add("--autoscale", default="", choices=("hpa", "keda"), help="by the CPU, or by the requests that wait")
    add("--monitoring", action="store_true", help="for Prometheus' operator and Grafana; keda brings it along")
    add("--namespace", type=_label, metavar="NAME", help="where it runs; without it, where kubectl stands")
    add(
        "--triton-release",
        metavar="YY.MM",
        help=f"the image's; without it the one that a checkout's .env pins, else {TRITON_RELEASE}",
    )


def _label(text: str) -> str:
    """A type: a name as Kubernetes takes it."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text!r}: give at most 63 small letters, digits and hyphens")
    return text


def run(args: argparse.Namespace) -> int:
    """Write them, and say what is left to do; status 0."""
    try:  # Here, since it needs what the extra brings along, and `--help` does not.
        from tritonrepo.deploy.model_set import choose_models, choose_stored_models
        from tritonrepo.deploy.overlay import Workload, write_overlay
        from tritonrepo.deploy.store import read_store
    except ModuleNotFoundError as error:
        raise MissingError(f"the package {error.name} is not installed: {install_command('deploy')}") from error

    release = args.triton_release or pinned_release()
    check_release(release)
    store, gpu = read_store(args.repository), args.profile == "gpu"
    place = args.models or (HERE if HERE.is_dir() or store.kind != "s3" else read_address(store.url))
    if isinstance(place, Path):
        served = choose_models(place, args.names, gpu=gpu)
    else:
        served = choose_stored_models(open_store(place), args.names, gpu=gpu)
    workload = Workload(
        target=args.target,
        served=served,
        store=store,
        gpu=gpu,
        release=release,
        replicas=args.replicas,
        scaler=args.autoscale,
        monitoring=args.monitoring,
        namespace=args.namespace or "",
    )
    write_overlay(workload, args.output)
    for name in served.left_out:
        terminal.note(f"{name} needs a GPU; it is left out")
    for name in served.unreleased:
        terminal.note(f"{name}: no version was released yet; it is left out")
    _show(args, [model.name for model in served.models])
    return EXIT_DONE


def _show(args: argparse.Namespace, models: list[str]) -> None:
    """What was written, and the commands that are left to do."""
    output = terminal.console()
    written = f"{args.output}: Triton for {args.target}, serving {', '.join(models)}"
    where = f" --namespace {shlex.quote(args.namespace)}" if args.namespace else ""
    # Through a pipe: everybody on this machine may read a command line.
    commands = [
        "openssl rand -hex 32 | tr -d '\\n' | "
        f"kubectl create secret generic triton-key{where} --from-file=key=/dev/stdin"
    ]
    if args.repository.startswith("s3://") and args.target == "kubernetes":
        commands.append(f"kubectl create secret generic triton-s3{where} --from-env-file=FILE   # AWS_ACCESS_KEY_ID=…")
    commands.append(f"kubectl apply -k {shlex.quote(str(args.output))}")
    for line in [written, "", *commands]:
        output.print(Text(printable(line)), soft_wrap=True)

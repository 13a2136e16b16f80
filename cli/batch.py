"""`tritonrepo batch`: a whole data set into parquet files, on one machine or a Ray cluster."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.asking import add_asking_options
from tritonrepo.cli.places import repository
from tritonrepo.cli.progress import Tally
from tritonrepo.cli.silence import silence
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.client import label_files
from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.install import install_command
from tritonrepo.client.sources import said_of
from tritonrepo.client.text import counted, printable

if TYPE_CHECKING:
    from tritonrepo.batch.run import Order, Run
    from tritonrepo.batch.service import Service

SUMMARY = (
    "Classify a whole data set into parquet files, on this machine or a Ray cluster. The same command goes on with "
    "what was killed. For one machine `classify --resume` does it without Ray."
)
LONGEST_SHARD = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `batch`."""
    add = parser.add_argument
    add(
        "input",
        type=arguments.filled,
        metavar="INPUT",
        help="a directory, a pattern, s3://BUCKET/PREFIX (gs, as; s3://HOST:PORT/BUCKET/PREFIX), or with --column a "
        ".parquet or .csv file or a directory of these",
    )
    add(
        "--output",
        required=True,
        type=arguments.filled,
        metavar="DIR|URL",
        help="where the parquet files go: a directory, or s3://… and so on",
    )
    add("--column", metavar="NAME", help="of the table: paths and addresses, or in parquet the image files themselves")
    add(
        "--unreachable",
        choices=("stop", "row"),
        default="stop",
        help="what becomes of many addresses in a row that cannot be reached, and of a file that cannot be read: "
        "the end of the run, which the same command takes up again, or rows with an error (%(default)s)",
    )
    add_asking_options(parser)
    add("--labels", type=arguments.path, metavar="FILE", help="what export --labels takes, not the server's")
    add(
        "--shard-size",
        type=arguments.whole_number(1, LONGEST_SHARD),
        default=1024,
        metavar="N",
        help="images in a file of the output (%(default)s)",
    )
    add("--redo", action="store_true", help="do again what another list of images, contract or labels gave")
    _add_cluster(parser)
    arguments.add_pipeline_options(parser)
    arguments.add_connection_options(parser)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("cluster").add_argument
    add("--address", metavar="HOST:PORT|auto", help="of a Ray cluster (default: one is started here, on loopback)")
    add("--actors", type=arguments.COUNT, metavar="N", help="Ray's workers (default: one for each node)")
    add("--gpus", type=arguments.positive_number, default=0.0, metavar="N", help="of each actor (default: none)")
    add(
        "--repository",
        type=repository,
        metavar="DIR|URL",
        help="instead of --url: each actor starts an embedded server over this model repository",
    )


def run(args: argparse.Namespace) -> int:
    """Classify what is left to do; the exit status."""
    terminate_as_interrupt()
    try:
        return _run(args)
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed: {install_command('batch')}") from exc


def _run(args: argparse.Namespace) -> int:
    # Here, as below, since it needs what the extra brings, and `--help` does not.
    from tritonrepo.batch.run import begin

    left_out: Counter[str] = Counter()
    console = terminal.error_console()
    # Ray's part in C++ writes warnings to standard error that no option silences.
    with silence(console), begin(_order(args), left_out) as found:
        for sentence in (said_of(left_out), found.present.warning):
            if sentence:
                _say(console, sentence)
        tally = _follow(found, console)
    return _conclude(args.output, found, tally)


def _say(console: Console, sentence: str) -> None:
    console.print(Text(printable(sentence)), soft_wrap=True)


def _follow(found: Run, console: Console) -> Tally:
    """Show the progress of the run."""
    tally = Tally()
    left = found.images - found.state.images
    try:
        with terminal.progress(lambda: iter(range(left)), console if console.is_terminal else None) as advance:
            for shard in found.finished:
                tally.done, tally.failed = tally.done + shard.images, tally.failed + shard.failed
                for _ in range(shard.images):
                    advance()
    except (KeyboardInterrupt, MissingError):
        _say(console, f"stopped after {counted(tally.done, 'image')}; the same command goes on from there")
        raise
    return tally


def _conclude(output: str, found: Run, tally: Tally) -> int:
    before, failed = found.state.images, found.state.failed + tally.failed
    already = f" ({before:,} of them were there already)" if before else ""
    images, shards = counted(found.images, "image"), counted(found.shards, "shard")
    terminal.note(f"{output}: {images} in {shards}{already}, {failed:,} could not be classified")
    return EXIT_SOME_FAILED if failed else EXIT_DONE


def _order(args: argparse.Namespace) -> Order:
    """What the words ask for."""
    from tritonrepo.batch.environment import Crew
    from tritonrepo.batch.inputs import open_input
    from tritonrepo.batch.places import open_place
    from tritonrepo.batch.run import Order

    options = dataclasses.replace(arguments.options(args), top=args.top, threshold=args.threshold)
    service = _service(args)
    return Order(
        open_input(args.input, args.column, lenient=args.unreachable == "row"),
        open_place(args.output),
        service,
        options,
        shard_size=args.shard_size,
        redo=args.redo,
        address=args.address,
        crew=Crew(args.actors, args.gpus),
    )


def _service(args: argparse.Namespace) -> Service:
    from tritonrepo.batch.service import Service

    service = Service(
        args.url,
        model=args.model,
        version=args.version,
        labels=label_files.read(args.labels) if args.labels else None,
        connection=_everywhere(arguments.connection(args)),
        patience=args.patience,
        shared_memory=args.shared_memory,
    )
    if args.repository is None:
        return service
    if args.url != "localhost" or args.protocol or service.connection != Connection(deadline=args.timeout):
        raise UsageError("--repository starts servers of its own, so that --url and how to reach it do not go with it")
    from tritonrepo.serve.embedded import embedded

    repository = args.repository.absolute() if isinstance(args.repository, Path) else args.repository
    server = partial(embedded, repository, args.shared_memory)
    return dataclasses.replace(service, open_server=server)


def _everywhere(connection: Connection) -> Connection:
    """The same from any working directory: a worker has another."""
    if connection.tls is None:
        return connection
    files = {name: path and path.absolute() for name, path in dataclasses.asdict(connection.tls).items()}
    return dataclasses.replace(connection, tls=dataclasses.replace(connection.tls, **files))

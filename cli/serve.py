"""`tritonrepo serve`: the embedded Triton over a model repository, in the foreground, on loopback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import PORT, add_public_key, path, whole_number
from tritonrepo.cli.places import add_repository_option
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import printable
from tritonrepo.repository.errors import RepositoryError, SignatureError
from tritonrepo.repository.store.address import open_store
from tritonrepo.serve.door import Door
from tritonrepo.serve.endpoint import check
from tritonrepo.serve.errors import NoAnswerError, ServeError
from tritonrepo.serve.example import make_curl
from tritonrepo.serve.models import LEFT_OUT, READY, ModelStatus
from tritonrepo.serve.ports import ADDRESS, Ports, next_ports
from tritonrepo.serve.source import source_of

if TYPE_CHECKING:
    from tritonrepo.serve.replica import Replica, Setup

SUMMARY = "Serve a model repository with the embedded Triton, on 127.0.0.1 unless told otherwise, until Ctrl-C."
PORTS = {"http": 8000, "grpc": 8001, "metrics": 8002, "supervisor": 8003}
LONGEST_POLL = 86_400
MOST_REPLICAS = 64
PIPE_WIDTH = 160
STYLES = {READY: "green", LEFT_OUT: "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `serve`."""
    add = parser.add_argument
    add_repository_option(parser)
    for service, port in PORTS.items():
        add(f"--{service}-port", type=PORT, default=port, metavar="N", help="default: %(default)s; 0: any")
    _add_care(parser)
    add(
        "--check",
        nargs="?",
        const=f"http://{ADDRESS}:{PORTS['supervisor']}",
        metavar="URL",
        help="serve nothing; tell by the exit status whether every model of the running server answers; URL: its "
        "supervisor's (%(const)s)",
    )
    add(
        "--shared-memory",
        action="store_true",
        help="let clients of the same user hand over images in shared memory (classify --shared-memory)",
    )
    add(
        "--replicas",
        type=whole_number(1, MOST_REPLICAS),
        default=1,
        metavar="N",
        help="for trials: so many servers of the same models, each on the next free ports (%(default)s)",
    )
    add_public_key(parser)
    _add_door(parser)
    add("--verbose", action="store_true", help="show the server's log on standard error")


def _add_care(parser: argparse.ArgumentParser) -> None:
    """How often something is looked at, and for how long it is waited for."""
    add = parser.add_argument
    often = whole_number(1, LONGEST_POLL)
    add("--poll", type=often, default=0, metavar="SECONDS", help="look for changes of the repository this often")
    add(
        "--patience",
        type=often,
        default=10,
        metavar="SECONDS",
        help="a model that answers nobody for so long is taken for hung, killed and loaded again (%(default)s)",
    )


def _add_door(parser: argparse.ArgumentParser) -> None:
    """Who may come in."""
    add = parser.add_argument_group(
        "for other hosts", "HTTP and gRPC; what is closed still needs the key."
    ).add_argument
    add("--host", default=ADDRESS, metavar="ADDRESS", help="where to listen (%(default)s); 0.0.0.0: everywhere")
    add("--cert", type=path, metavar="FILE", help="a PEM certificate with its chain, for TLS")
    add("--key", type=path, metavar="FILE", help="its key, PEM, without a passphrase")
    add("--known-as", action="append", default=[], metavar="NAME", help="a name of this host that HTTP requests use")
    add("--i-know", action="store_true", help="serve other hosts without TLS")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; status 0 then."""
    if args.check:
        return check_server(args.check)
    ports = [port for service in PORTS if (port := getattr(args, f"{service}_port"))]
    if len(set(ports)) < len(ports):
        raise UsageError("the ports must differ")
    terminate_as_interrupt()
    try:
        return serve(args)
    except KeyboardInterrupt:
        return EXIT_DONE
    except BrokenPipeError:
        raise
    except OSError as error:  # What is not the terminal's is named by the server's own errors.
        raise ServeError(f"cannot write to standard output: {error.strerror}") from error


def serve(options: argparse.Namespace) -> int:
    """Show what is served and wait for Ctrl-C; the exit status."""
    try:  # Here, since they need what the extra brings along, and `--help` does not.
        from tritonrepo.serve.limits import allow_files
        from tritonrepo.serve.replica import watch
    except ModuleNotFoundError as error:
        raise MissingError(f"the package {error.name} is not installed: {install_command('serve')}") from error

    setup, console = _setup(options), terminal.console(PIPE_WIDTH)
    models = source_of(options.repository).models()
    if not models:
        raise RepositoryError(f"the model repository {options.repository} is empty; fill it with: tritonrepo export")
    if options.public_key:
        _check_signatures(options, [model.name for model in models if not (model.left_out or model.fault)])
    allow_files()
    with ExitStack() as stack:
        replicas = []
        for replica, name in _replicas(setup, options, console):
            replicas.append(stack.enter_context(replica))
            _show(replica, name, console, waits=any(model.unreleased for model in models))
        try:
            console.print(f"Ctrl-C stops the {'servers' if len(replicas) > 1 else 'server'}.")
            watch(replicas)
        except KeyboardInterrupt:
            console.print(f"Stopping; Ctrl-C once more kills {'them' if len(replicas) > 1 else 'it'}.")
    return EXIT_DONE


def _check_signatures(options: argparse.Namespace, models: list[str]) -> None:
    """Raise `SignatureError` unless all that is to be loaded is signed with the key."""
    if options.poll:
        raise UsageError("--public-key and --poll: a server that polls loads what it finds, and asks nobody")
    from tritonrepo.repository.signatures import refusals  # with cattrs, which the help does not need

    if refused := refusals(open_store(options.repository), models, options.public_key):
        raise SignatureError("nothing is served:\n" + "\n".join(refused.values()))


def _setup(options: argparse.Namespace) -> Setup:
    """What the words say. Raises `UsageError`."""
    from tritonrepo.serve.replica import Setup
    from tritonrepo.serve.supervisor import Care

    door = Door(options.host, options.cert, options.key)
    door.check(options.i_know)
    if options.replicas > 1 and not door.local:
        raise UsageError("--replicas is for trials on this machine alone: leave --host away")
    care = Care(patience=options.patience, poll=options.poll)
    return Setup(options.repository, door, care, tuple(options.known_as), options.shared_memory)


def _replicas(setup: Setup, options: argparse.Namespace, console: Console) -> Iterator[tuple[Replica, str]]:
    """Each with its name, which one alone does not have. The ports of the next are found when this one runs."""
    from tritonrepo.serve.replica import Replica

    ports = Ports(*(getattr(options, f"{service}_port") for service in PORTS))
    for number in range(1, options.replicas + 1):
        name = f"replica {number}" if options.replicas > 1 else ""
        say = _say(console, f"{name}: " if name else "")
        yield Replica(setup, ports, say, show_line if options.verbose else None), name
        if number < options.replicas:
            ports = next_ports(ports)


def _show(replica: Replica, name: str, console: Console, *, waits: bool) -> None:
    """Show what a server has, and how to ask it.

    Args:
        replica: It runs.
        name: Its name; empty for one that is alone.
        console: Where it is shown.
        waits: A model is staged, and a release brings it to the server.

    Raises:
        ServeError: Nothing is ready, nor will be.
    """
    if name:
        console.print(name)
    console.print(make_table(replica.statuses))
    ready = [status for status in replica.statuses if status.state == READY]
    if not (ready or waits):
        raise ServeError(f"no model of {replica.server.repository} can be served; the table above says why")
    for what, address in replica.addresses.items():
        console.print(f"{what:8} {address}")
    if not ready:
        return
    model = ready[0].name
    curl = make_curl(f"{replica.addresses['HTTP']}/v2/models/{model}", replica.server.read_metadata(model))
    console.print("", "Try it:", curl, "", sep="\n", soft_wrap=True)


def _say(console: Console, prefix: str) -> Callable[[str], None]:
    """What shows a sentence on a server, with its name before it."""

    def say(sentence: str) -> None:
        with suppress(OSError):  # Nobody reads what is shown any more; the server goes on.
            console.print(Text(printable(f"{prefix}{sentence}")), soft_wrap=True)

    return say


def check_server(url: str) -> int:
    """Say whether every model of the server answers, by the exit status and in one line."""
    address = urlsplit(url if "//" in url else f"//{url}").netloc
    try:
        missing = check(address)
    except (NoAnswerError, ValueError, LookupError, TypeError, AttributeError) as error:
        words = "nobody answers there" if isinstance(error, NoAnswerError) else "who answers there is no supervisor"
        terminal.console().print(Text(printable(f"not ready: {url}: {words}")), soft_wrap=True)
        return EXIT_SOME_FAILED
    reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
    terminal.console().print(Text(printable(f"not ready: {reasons}" if missing else "ready")), soft_wrap=True)
    return EXIT_SOME_FAILED if missing else EXIT_DONE


def make_table(statuses: Sequence[ModelStatus]) -> Table:
    """Return a row for each model version, with the reason why it is not ready."""
    table = Table("Model", "Version", "Backend", "Max batch", "State")
    for status in statuses:
        state = Text.assemble((status.state.lower(), STYLES.get(status.state, "red")))
        if status.reason:
            state.append(f": {status.reason}")
        table.add_row(Text(printable(status.name)), status.version, status.backend, str(status.max_batch_size), state)
    return table


def show_line(line: str) -> None:
    """Show a line of the server's log."""
    print(line, file=sys.stderr, flush=True)

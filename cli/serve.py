"""`tritonrepo serve`: the embedded Triton over a model repository, in the foreground, on loopback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import path, whole_number
from tritonrepo.cli.log import follow
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import printable
from tritonrepo.repository.errors import RepositoryError
from tritonrepo.serve.changes import Changes
from tritonrepo.serve.door import Door
from tritonrepo.serve.endpoint import READY as READINESS
from tritonrepo.serve.endpoint import Endpoint, check
from tritonrepo.serve.errors import NoAnswerError, ServeError
from tritonrepo.serve.example import make_curl
from tritonrepo.serve.models import LEFT_OUT, READY, ModelStatus, read_repository
from tritonrepo.serve.ports import ADDRESS

if TYPE_CHECKING:
    from tritonrepo.serve.supervisor import Supervisor
    from tritonrepo.serve.triton import TritonServer

SUMMARY = "Serve a model repository with the embedded Triton, on 127.0.0.1 unless told otherwise, until Ctrl-C."
PORTS = {"http": 8000, "grpc": 8001, "metrics": 8002, "supervisor": 8003}
LONGEST_POLL = 86_400
PIPE_WIDTH = 160
STYLES = {READY: "green", LEFT_OUT: "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `serve`."""
    parser.add_argument("--repository", type=path, default=Path("model_repository"), metavar="DIR")
    for service, port in PORTS.items():
        parser.add_argument(
            f"--{service}-port",
            type=whole_number(0, 65535),
            default=port,
            metavar="N",
            help="default: %(default)s; 0: any",
        )
    parser.add_argument(
        "--poll",
        type=whole_number(1, LONGEST_POLL),
        default=0,
        metavar="SECONDS",
        help="look for changes of the repository this often",
    )
    parser.add_argument(
        "--patience",
        type=whole_number(1, LONGEST_POLL),
        default=10,
        metavar="SECONDS",
        help="a model that answers nobody for so long is taken for hung, killed and loaded again (%(default)s)",
    )
    parser.add_argument(
        "--check",
        nargs="?",
        const=f"http://{ADDRESS}:{PORTS['supervisor']}",
        metavar="URL",
        help="serve nothing; tell by the exit status whether every model of the running server answers; URL: its "
        "supervisor's (%(const)s)",
    )
    parser.add_argument(
        "--shared-memory",
        action="store_true",
        help="let clients of the same user hand over images in shared memory (classify --shared-memory)",
    )
    _add_door(parser)
    parser.add_argument("--verbose", action="store_true", help="show the server's log on standard error")


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
        from tritonrepo.serve.guard import Guard
        from tritonrepo.serve.limits import allow_files
        from tritonrepo.serve.pages import make_pages
        from tritonrepo.serve.supervisor import Care, Supervisor
        from tritonrepo.serve.triton import TritonServer
    except ModuleNotFoundError as error:
        raise MissingError(f"the package {error.name} is not installed: {install_command('serve')}") from error

    if not read_repository(options.repository):
        raise RepositoryError(f"the model repository {options.repository} is empty; fill it with: tritonrepo export")
    door = Door(options.host, options.cert, options.key)
    door.check(options.i_know)
    allow_files()
    ports = (0, options.grpc_port, options.metrics_port)
    server = TritonServer(options.repository, *ports, door=door, shared_memory=options.shared_memory)
    console = terminal.console(PIPE_WIDTH)
    watch: list[Supervisor] = []
    endpoint = Endpoint(options.supervisor_port, make_pages(lambda: watch[0] if watch else None))
    guard = Guard(
        lambda: (server.http_url, server.key if server.pid else ""),
        door,
        options.http_port,
        names=options.known_as,
        ready=lambda: bool(watch) and watch[0].is_ready(),
    )
    # The guard ends first: it takes no new connection, and what is in flight is answered while the server lives.
    with endpoint, follow(server, 0, show_line) if options.verbose else nullcontext(), server, guard:
        seen = len(server.read_log(0))
        statuses = server.models()
        _show(
            server,
            statuses,
            {
                "HTTP": guard.url,
                "gRPC": server.grpc_url,
                "Metrics": server.metrics_url,
                "Health": f"{endpoint.url}{READINESS}",
            },
            console,
        )
        watch.append(Supervisor(server, _say(console), Care(patience=options.patience, poll=options.poll)))
        with follow(server, seen, _teller(server, statuses, console)) if options.poll else nullcontext():
            return _watch(watch[0], console)


def _show(
    server: TritonServer, statuses: Sequence[ModelStatus], addresses: Mapping[str, str], console: Console
) -> None:
    """Show what the server has, and how to ask it; raises ServeError if nothing is ready."""
    console.print(make_table(statuses))
    ready = [status for status in statuses if status.state == READY]
    if not ready:
        raise ServeError(f"no model of {server.repository} can be served; the table above says why")
    for what, address in addresses.items():
        console.print(f"{what:8} {address}")
    curl = make_curl(f"{addresses['HTTP']}/v2/models/{ready[0].name}", server.read_metadata(ready[0].name))
    console.print("", "Try it:", curl, "", "Ctrl-C stops the server.", sep="\n", soft_wrap=True)


def _watch(supervisor: Supervisor, console: Console) -> int:
    """Return when the server must stop."""
    try:
        supervisor.run()
    except KeyboardInterrupt:
        console.print("Stopping; Ctrl-C once more kills it.")
    return EXIT_DONE


def _say(console: Console) -> Callable[[str], None]:
    """What shows a sentence of the supervisor's."""

    def say(sentence: str) -> None:
        with suppress(OSError):  # Nobody reads what is shown any more; the server goes on.
            console.print(Text(printable(sentence)), soft_wrap=True)

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


def _teller(server: TritonServer, statuses: Sequence[ModelStatus], console: Console) -> Callable[[str], None]:
    """What shows each change of the models that a line of the log tells of."""
    changes = Changes(statuses, server.is_ready)

    def tell(line: str) -> None:
        if sentence := changes.read(line):
            console.print(Text(printable(sentence)), soft_wrap=True)

    return tell

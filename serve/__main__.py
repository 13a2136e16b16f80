"""`python -m serve`: the embedded Triton over a model repository, in the foreground, on loopback."""

import argparse
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from serve.errors import RepositoryError, ServeError
from serve.example import make_curl
from serve.models import LEFT_OUT, READY, ModelStatus, read_repository
from serve.triton import TritonServer

FOLLOW_SECONDS = 0.2
LONGEST_POLL = 86_400
STYLES = {READY: "green", LEFT_OUT: "yellow"}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serve",
        description="Serve a model repository with the embedded Triton, on 127.0.0.1, until Ctrl-C.",
    )
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    for service, port in (("http", 8000), ("grpc", 8001), ("metrics", 8002)):
        parser.add_argument(
            f"--{service}-port", type=port_number, default=port, metavar="N", help="default: %(default)s; 0: any"
        )
    parser.add_argument(
        "--poll", type=seconds, default=0, metavar="SECONDS", help="look for changes of the repository this often"
    )
    parser.add_argument("--verbose", action="store_true", help="show the server's log on standard error")
    return parser


def port_number(text: str) -> int:
    return whole_number(text, 0, 65535)


def seconds(text: str) -> int:
    return whole_number(text, 1, LONGEST_POLL)


def whole_number(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {low} to {high}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Returns 0 then, and 3 if there is nothing to serve or the server failed."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    ports = [port for port in (options.http_port, options.grpc_port, options.metrics_port) if port]
    if len(set(ports)) < len(ports):
        parser.error("the three ports must differ")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):  # A terminal without Unicode shows names as well as it can.
        sys.stdout.reconfigure(errors="replace")
    try:
        return serve(options)
    except ServeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"error: cannot write to standard output: {error.strerror}", file=sys.stderr)
        # Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3


def serve(options: argparse.Namespace) -> int:
    if not read_repository(options.repository):
        raise RepositoryError(f"the model repository {options.repository} is empty; fill it with: python -m export")
    server = TritonServer(
        options.repository,
        options.http_port,
        options.grpc_port,
        options.metrics_port,
        model_control_mode="poll" if options.poll else "explicit",
        repository_poll_secs=options.poll,
    )
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    stop_following = follow_log(server) if options.verbose else None
    try:
        with server:
            return run(server, console)
    finally:
        if stop_following:
            stop_following()


def run(server: TritonServer, console: Console) -> int:
    """Show what the server has, and return when it must stop."""
    statuses = server.models()
    console.print(make_table(statuses))
    ready = [status for status in statuses if status.state == READY]
    if not ready:
        raise ServeError(f"no model of {server.repository} can be served; the table above says why")
    console.print(f"HTTP     http://{server.http_url}\ngRPC     {server.grpc_url}\nMetrics  {server.metrics_url}\n")
    curl = make_curl(f"http://{server.http_url}/v2/models/{ready[0].name}", server.read_metadata(ready[0].name))
    console.print("Try it:", curl, "", "Ctrl-C stops the server.", sep="\n", soft_wrap=True, markup=False)
    try:
        server.wait()
    except KeyboardInterrupt:
        console.print("Stopping; Ctrl-C once more kills it.")
    return 0


def make_table(statuses: Sequence[ModelStatus]) -> Table:
    table = Table("Model", "Version", "Backend", "Max batch", "State")
    for status in statuses:
        state = Text.assemble((status.state.lower(), STYLES.get(status.state, "red")))
        if status.reason:
            state.append(f": {status.reason}")
        table.add_row(Text(printable(status.name)), status.version, status.backend, str(status.max_batch_size), state)
    return table


def printable(name: str) -> str:
    """A directory's name without what would move the cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)


def follow_log(server: TritonServer) -> Callable[[], None]:
    """Copy the server's log to standard error as it grows; return what ends that."""
    ended = threading.Event()

    def follow() -> None:
        shown = 0
        while True:
            last = ended.wait(FOLLOW_SECONDS)
            log = server.log()
            print(log[shown:], end="", file=sys.stderr, flush=True)
            shown = len(log)
            if last:
                return

    thread = threading.Thread(target=follow, name="follow-log", daemon=True)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join()

    return stop


if __name__ == "__main__":
    sys.exit(main())

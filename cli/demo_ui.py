"""`tritonrepo demo-ui`: a page in the browser on which every served model classifies the pictures dropped there."""

from __future__ import annotations

import argparse
from contextlib import suppress

from rich.text import Text

from tritonrepo.cli import arguments, terminal
from tritonrepo.cli.status import EXIT_DONE, terminate_as_interrupt
from tritonrepo.client.connection import addresses
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.install import install_command
from tritonrepo.client.text import printable

SUMMARY = (
    "Show a page, on 127.0.0.1 alone, on which every served model classifies the pictures that are dropped there, "
    "until Ctrl-C."
)
PORT = 8005
PATIENCE = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `demo-ui`."""
    parser.add_argument(
        "--port", type=arguments.PORT, default=PORT, metavar="N", help="the page's (%(default)s); 0: any"
    )
    arguments.add_connection_options(parser)
    parser.set_defaults(patience=PATIENCE)


def run(args: argparse.Namespace) -> int:
    """Serve the page until interrupted; status 0 then."""
    if args.shared_memory:
        raise UsageError("demo-ui sends its pictures with the requests; leave out --shared-memory")
    connection = arguments.connection(args)
    try:  # Here, since it needs what the extra brings along, and `--help` does not.
        from tritonrepo.cli import decoders
        from tritonrepo.ui.panel import Panel
        from tritonrepo.ui.server import PageServer
    except ModuleNotFoundError as error:
        raise MissingError(f"the package {error.name} is not installed: {install_command('demo-ui')}") from error

    decoders.quiet()
    terminate_as_interrupt()
    server = PageServer(Panel(addresses(args.url), connection, args.patience), args.port)
    console = terminal.console()
    for line in (f"The page: {server.url}", f"It asks:  {args.url}", "Ctrl-C stops it."):
        console.print(Text(printable(line)), soft_wrap=True)
    with suppress(KeyboardInterrupt):
        server.run()
    return EXIT_DONE

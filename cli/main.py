"""`tritonrepo VERB …`: the parser, and the one place that turns errors into a message and an exit status."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import NoReturn, Protocol, cast

from rich.text import Text
from rich_argparse import RichHelpFormatter

from tritonrepo import __version__
from tritonrepo.cli import terminal
from tritonrepo.cli.status import EXIT_INTERRUPTED, EXIT_MISSING, EXIT_SOME_FAILED
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.client.text import printable

VERBS = ("export", "doctor", "rollback", "serve", "classify", "evaluate", "compare", "report", "completion")
CLIENT_VERBS = ("classify", "compare", "report", "evaluate")


class Verb(Protocol):
    """A module of this package."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's words."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit status. Raises `TritonRepoError`."""


def main(words: Sequence[str] | None = None) -> int:
    """Run `tritonrepo WORDS`; its exit status. argparse ends the program by itself for `--help` and for wrong words."""
    return _guarded(lambda: _execute(parser("tritonrepo", VERBS), words))


def run() -> NoReturn:
    """The command `tritonrepo`."""
    _exit(main())


def run_in_checkout(room: str) -> NoReturn:
    """The command `python -m ROOM`, ROOM being `export`, `serve` or `client`."""
    prog, words = f"python -m {room}", sys.argv[1:]
    if room == "client":
        found = parser(prog, CLIENT_VERBS)
    elif room == "export" and words[:1] in (["doctor"], ["rollback"]):
        verb, *words = words
        found = verb_parser(f"{prog} {verb}", verb)
    else:
        found = verb_parser(prog, room)
    _exit(_guarded(lambda: _execute(found, words)))


def parser(prog: str, verbs: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command with these verbs; `args.run` is the verb that was chosen."""
    found = _Parser(prog, "Export an image classifier for Triton, serve it, call it, compare its backends.")
    _add_version(found)
    commands = found.add_subparsers(required=True, metavar="VERB")
    for name in verbs:
        verb = _verb(name)
        added = commands.add_parser(name, help=verb.SUMMARY, description=verb.SUMMARY)
        verb.add_arguments(added)
        added.set_defaults(run=verb.run)
    return found


def verb_parser(prog: str, name: str) -> argparse.ArgumentParser:
    """The parser of one verb that is a command by itself."""
    verb = _verb(name)
    found = _Parser(prog, verb.SUMMARY)
    _add_version(found)
    verb.add_arguments(found)
    found.set_defaults(run=verb.run)
    return found


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviations: `--version` is not `--version-compatible`."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, formatter_class=RichHelpFormatter, allow_abbrev=False)


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"tritonrepo {__version__}")


def _verb(name: str) -> Verb:
    return cast(Verb, importlib.import_module(f"tritonrepo.cli.{name}"))


def _execute(found: argparse.ArgumentParser, words: Sequence[str] | None) -> int:
    args = found.parse_args(words)
    return int(args.run(args))


def _guarded(execute: Callable[[], int]) -> int:
    """The status of a command, whatever it raises."""
    _prepare_streams()
    try:
        return execute()
    except TritonRepoError as exc:
        _complain("\n".join(map(printable, str(exc).splitlines())))
        return exc.exit_status
    except KeyboardInterrupt as exc:
        _complain(" ".join(["interrupted", *map(str, exc.args)]), prefix="")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has had enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED
    except OSError as exc:
        _complain(printable(str(exc)))
        return EXIT_MISSING


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a path may hold what the terminal's encoding does not
    # Pillow warns of odd files; whatever is wrong with a file is said in that image's result.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def _complain(text: str, prefix: str = "error: ") -> None:
    terminal.error_console().print(Text(f"{prefix}{text}", style="red"), soft_wrap=True)


def _exit(status: int) -> NoReturn:
    if status in (EXIT_MISSING, EXIT_INTERRUPTED):
        # A request that hangs would keep Python from ending until its deadline.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)

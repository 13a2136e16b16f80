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
from typing import Any, NoReturn, Protocol, cast

from rich_argparse import RichHelpFormatter

from tritonrepo import __version__
from tritonrepo.cli import terminal
from tritonrepo.cli.status import EXIT_INTERRUPTED, EXIT_MISSING, EXIT_SOME_FAILED, EXIT_USAGE
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.repository.shortage import explain

# Each is a module of this package, with _ for a hyphen. The line stands here so that `tritonrepo --help` need not load
# them all.
VERBS = {
    "export": "export a PyTorch image classifier into a Triton model repository, verified",
    "doctor": "say what this machine has, and what in a repository Triton would fail to load",
    "versions": "list what a model repository holds, and which version is served",
    "release": "release a version on servers, or have them go back",
    "rollback": "go back to the version before, of models",
    "sign": "sign versions of models with a key",
    "verify": "say whether versions are signed with a key, and as they were signed",
    "manifests": "write the files with which Kubernetes or KServe serves a model repository",
    "serve": "serve a model repository with the embedded Triton",
    "classify": "classify images",
    "demo-ui": "show a page on which every served model classifies the pictures that are dropped there",
    "batch": "classify a whole data set on a Ray cluster, into parquet files",
    "evaluate": "measure accuracy over images whose class is known",
    "compare": "compare the served models: speed and agreement",
    "tune": "find, within a given time, how this machine serves a model fastest",
    "report": "draw a stored comparison again",
    "plan": "say how many servers a load needs, from a stored comparison",
    "completion": "print the completion script of a shell",
}
RED = "red"
CLIENT_VERBS = ("classify", "compare", "report", "evaluate")


class Verb(Protocol):
    """A module of this package.

    Attributes:
        SUMMARY: What its help says above the options.
    """

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's words."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit status.

        Raises:
            TritonRepoError: It could not be done.
        """


def main(words: Sequence[str] | None = None) -> int:
    """Run `tritonrepo WORDS`; its exit status. argparse ends the program by itself for `--help` and for wrong words."""
    words = sys.argv[1:] if words is None else words
    return guarded(lambda: _execute(parser("tritonrepo", tuple(VERBS), words), words))


def run() -> NoReturn:
    """The command `tritonrepo`."""
    _exit(main())


def run_in_checkout(room: str) -> NoReturn:
    """The command `python -m ROOM`, ROOM being `export`, `serve` or `client`."""
    prog, words = f"python -m {room}", sys.argv[1:]
    if room == "client":
        found = parser(prog, CLIENT_VERBS, words)
    elif room == "export" and words[:1] in (["doctor"], ["rollback"]):
        verb, *words = words
        found = verb_parser(f"{prog} {verb}", verb)
    else:
        found = verb_parser(prog, room)
    _exit(guarded(lambda: _execute(found, words)))


def parser(prog: str, verbs: Sequence[str], loaded: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command with these verbs; `args.run` is the verb that was chosen.

    Args:
        prog: The command's name.
        verbs: What it can do.
        loaded: Has the verbs whose words are declared, which takes their modules; others are names in the help.
    """
    found = _Parser(prog, description="Export an image classifier for Triton, serve it, call it, compare its backends.")
    found.set_defaults(run=lambda args: _ask_for_a_verb(found))
    commands = found.add_subparsers(metavar="VERB")
    for name in verbs:
        added = commands.add_parser(name, help=VERBS[name])
        if name in loaded:
            _declare(added, name)
    return found


def _ask_for_a_verb(found: argparse.ArgumentParser) -> int:
    found.print_help(sys.stderr)
    return EXIT_USAGE


def verb_parser(prog: str, name: str) -> argparse.ArgumentParser:
    """The parser of one verb that is a command by itself."""
    found = _Parser(prog)
    _declare(found, name)
    return found


def _declare(found: argparse.ArgumentParser, name: str) -> None:
    verb = cast(Verb, importlib.import_module(f"tritonrepo.cli.{name.replace('-', '_')}"))
    found.description = verb.SUMMARY
    verb.add_arguments(found)
    found.set_defaults(run=verb.run)


class _Help(RichHelpFormatter):
    """Shows texts as they are: square brackets are no markup."""

    help_markup = text_markup = False


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviations: `--version` is not `--version-compatible`. Knows `--version`, if a verb has no other."""

    def __init__(self, prog: str, **rest: Any) -> None:
        super().__init__(prog, formatter_class=_Help, allow_abbrev=False, conflict_handler="resolve", **rest)
        self.add_argument(
            "--version", action="version", version=f"tritonrepo {__version__}", help="show the version and exit"
        )

    def error(self, message: str) -> NoReturn:
        """End with status 2, and a sentence rather than the list of all the words that there are."""
        terminal.note(f"error: {message}\nThe words of this command: {self.prog} --help", RED)
        sys.exit(EXIT_USAGE)


def _execute(found: argparse.ArgumentParser, words: Sequence[str]) -> int:
    args = found.parse_args(words)
    return int(args.run(args))


def guarded(execute: Callable[[], int]) -> int:
    """The exit status of `execute()`, whatever it raises; an error becomes one message on stderr."""
    _prepare_streams()
    try:
        return execute()
    except TritonRepoError as exc:
        terminal.note(f"error: {exc}", RED)
        return exc.exit_status
    except KeyboardInterrupt as exc:
        terminal.note(" ".join(["interrupted", *map(str, exc.args)]), RED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has had enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED
    except OSError as exc:
        terminal.note(f"error: {explain(exc)}", RED)
        return EXIT_MISSING


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a path may hold what the terminal's encoding does not
    # Pillow warns of odd files, urllib3 and gRPC of odd servers; what came of it is said in our own words.
    warnings.filterwarnings("ignore", module="PIL")
    for name in ("PIL", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _exit(status: int) -> NoReturn:
    if status in (EXIT_MISSING, EXIT_INTERRUPTED):
        # A request that hangs would keep Python from ending until its deadline.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)

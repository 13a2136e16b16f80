"""Whom the verbs that classify ask, and for how much of the answer; and which version of a model is meant."""

from __future__ import annotations

import argparse

from tritonrepo import __version__
from tritonrepo.cli.arguments import COUNT, share_or_all, whole_number


class _Version(argparse.Action):
    """`--version N` is the model's; without a number it is the program's, as in every other verb."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if values is None:
            print(f"tritonrepo {__version__}")
            parser.exit()
        setattr(namespace, self.dest, values)


ASKED_VERSION = "ask this version of the model and no other (default: the newest that is ready, also after a release)"


def add_version_option(parser: argparse.ArgumentParser, which: str = ASKED_VERSION) -> None:
    """Which version of the model; `which` says what it is for. Of the verbs that ask, `classifier` reads it."""
    parser.add_argument(
        "--version",
        action=_Version,
        nargs="?",
        type=whole_number(1, 2**63 - 1),
        metavar="N",
        help=f"{which}; without N, show this program's version and exit",
    )


def add_asking_options(parser: argparse.ArgumentParser) -> None:
    """Which model, which version of it, and how many of its classes."""
    parser.add_argument("--model", metavar="NAME", help="default: the only one that is ready, in its fastest format")
    add_version_option(parser)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--top", type=COUNT, default=5, metavar="N", help="predictions per image (%(default)s)")
    chosen.add_argument(
        "--threshold",
        type=share_or_all,
        metavar="P",
        help="instead: every class with a probability of at least P, for multi-label models",
    )

"""What several verbs share: types of words, groups of options, and what these mean to the library."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tritonrepo.client import label_files
from tritonrepo.client.connection import (
    COMPRESSIONS,
    LONGEST_DEADLINE,
    PATIENCE,
    PROTOCOLS,
    Connection,
    Tls,
    addresses,
    implied,
)
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import DECODERS, Options
from tritonrepo.client.text import lines, read_lines, scheme_of

if TYPE_CHECKING:
    from tritonrepo.client.classifier import Classifier

HEADERS_VARIABLE = "TRITON_CLIENT_HEADERS"


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A type: a whole number from `low` to `high`."""

    def number(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,19}", text, re.ASCII) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {low} to {high}")
        return int(text)

    return number


def word(text: str) -> str:
    """A type: a text that may name a file, but no address."""
    scheme = scheme_of(text)
    if scheme == "file":
        raise argparse.ArgumentTypeError("give the path itself, without file://")
    if scheme:
        # Not the address itself: it may hold a secret.
        raise argparse.ArgumentTypeError(
            f"{scheme}:// is an address, and stores and URLs are not supported here yet: give a path on this machine, "
            "and copy from there or to there"
        )
    return text


def path(text: str) -> Path:
    """A type: a path on this machine."""
    return Path(word(filled(text)))


def filled(text: str) -> str:
    """A type: a path or an address; an empty one, of a variable that is not set, would be the working directory."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty; . is the working directory")
    return text


COUNT = whole_number(1, 1_000_000)
COUNT_OR_NONE = whole_number(0, 1_000_000)
PORT = whole_number(0, 65_535)
"""Of TCP; 0: any that is free."""


def whole_numbers(text: str) -> list[int]:
    """A type: whole numbers from 1, separated by commas."""
    return [COUNT(part.strip()) for part in text.split(",")]


def positive_number(text: str) -> float:
    """A type: a number above 0; `inf` is one."""
    number = _number(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0")
    return number


def positive_numbers(text: str) -> list[float]:
    """A type: numbers above 0, separated by commas."""
    return [positive_number(part.strip()) for part in text.split(",")]


def seconds(text: str) -> float:
    """A type: what may be waited for one answer."""
    number = _number(text)
    if not 0 < number <= LONGEST_DEADLINE:
        raise argparse.ArgumentTypeError(f"{text!r}: give seconds above 0, at most {LONGEST_DEADLINE:,.0f}")
    return number


def duration(text: str) -> float:
    """A type: a length of time above 0, in seconds; `90s`, `10m` and `1h` are such."""
    units = {"s": 1, "m": 60, "h": 3600}
    value = _number(text[:-1] if text[-1:] in units else text) * units.get(text[-1:], 1)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: give a time above 0, such as 90s, 10m or 1h")
    return value


def patience(text: str) -> float:
    """A type: seconds from 0; `inf` is for ever."""
    number = _number(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: give seconds from 0; inf is for ever")
    return number


def share(text: str) -> float:
    """A type: a share below the whole; 5% and 0.05 are the same."""
    value = _share(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a share from 0 to below 1, such as 0.05 or 5%")
    return value


def share_or_all(text: str) -> float:
    """A type: a share up to the whole; 75% and 0.75 are the same."""
    value = _share(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a share from 0 to 1, such as 0.75 or 75%")
    return value


def _share(text: str) -> float:
    return _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


def _number(text: str) -> float:
    """The number, or NaN, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def add_public_key(parser: argparse.ArgumentParser | argparse._ArgumentGroup, *, required: bool = False) -> None:
    """With which key the versions have to be signed."""
    parser.add_argument(
        "--public-key",
        type=path,
        required=required,
        metavar="FILE.pem",
        help="the public key with which the versions have to be signed (`tritonrepo sign`)",
    )


def add_redo_option(parser: argparse.ArgumentParser) -> None:
    """What to do with results of another contract; `check_redo` reads it."""
    parser.add_argument(
        "--redo",
        action="store_true",
        help="with --resume, ask again for what another version's contract or other labels gave",
    )


def check_redo(args: argparse.Namespace) -> None:
    """Raise `UsageError` where there is no file that it could be about."""
    if args.redo and not args.resume:
        raise UsageError("--redo is about the file of --resume")


def add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    """How images are prepared and sent; `options` reads them."""
    group = parser.add_argument_group("pipeline")
    add = group.add_argument
    add("--batch-size", type=COUNT, metavar="N", help="images per request (default: 8 or the maximum)")
    add("--concurrency", type=COUNT, default=4, metavar="N", help="requests in flight (%(default)s)")
    add("--workers", type=COUNT, metavar="N", help="decoding threads (default: one per CPU)")
    add("--decode", choices=DECODERS, default="exact", help="fast: scale JPEGs while decoding them")
    add("--ignore-orientation", action="store_true", help="do not turn images as their EXIF data says")


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Which server, and how; `connection` and `classifier` read them."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url",
        default="localhost",
        metavar="HOST:PORT[,…]",
        help="the server, or several with the same models (port: 8001 for grpc, 8000 for http); http://HOST:PORT too",
    )
    group.add_argument("--protocol", choices=PROTOCOLS, help="default: grpc, or what --url begins with")
    group.add_argument("--timeout", type=seconds, default=60.0, metavar="S", help="deadline of a request (%(default)s)")
    group.add_argument(
        "--patience",
        type=patience,
        default=PATIENCE,
        metavar="S",
        help="in the middle of the work, go on trying for this long while no server answers (%(default)s)",
    )
    group.add_argument("--compression", choices=COMPRESSIONS, help="of requests and answers (default: none)")
    group.add_argument("--shared-memory", action="store_true", help="for a server on this host")
    group.add_argument("--tls", action="store_true", help="encrypt; implied by the next three")
    group.add_argument("--ca", type=path, metavar="PEM", help="who signs the server (default: the system's list)")
    group.add_argument("--cert", type=path, metavar="PEM", help="the client's certificate, for mutual TLS")
    group.add_argument("--key", type=path, metavar="PEM", help="its private key")
    group.add_argument(
        "--headers",
        type=path,
        metavar="FILE",
        help=f"a `Name: value` a line, such as an API key; also from ${HEADERS_VARIABLE}. Not from the command line, "
        "which everybody on the machine can read",
    )


def options(args: argparse.Namespace) -> Options:
    """What the pipeline options say; the rest is the default."""
    return Options(
        batch_size=args.batch_size,
        concurrency=args.concurrency,
        workers=args.workers,
        decode=args.decode,
        orient=not args.ignore_orientation,
    )


def connection(args: argparse.Namespace) -> Connection:
    """What the connection options say.

    Raises:
        UsageError: They are at odds, or a file is missing.
    """
    protocol, secure = implied(addresses(args.url)[0])
    secure = secure or args.tls or args.ca or args.cert or args.key
    return Connection(
        protocol=args.protocol or protocol,
        deadline=args.timeout,
        tls=Tls(args.ca, args.cert, args.key) if secure else None,
        headers=headers(args.headers),
        compression=args.compression,
    )


def classifier(args: argparse.Namespace, model: str | None) -> Classifier:
    """The classifier that the connection options ask for; `args.labels` is a file.

    Raises:
        TritonRepoError: As `Classifier`, or a file cannot be read.
    """
    from tritonrepo.cli import decoders
    from tritonrepo.client.classifier import Classifier

    decoders.quiet()
    return Classifier(
        args.url,
        model,
        version=args.version,
        connection=connection(args),
        labels=label_files.read(args.labels) if args.labels else None,
        patience=args.patience,
        shared_memory=args.shared_memory,
    )


def headers(path: Path | None) -> dict[str, str]:
    """The headers of a file, and of the environment. Raises `UsageError` for a line that is none."""
    found = [*lines(os.environ.get(HEADERS_VARIABLE, "")), *(read_lines(path) if path else [])]
    return dict(_header(line) for line in found if line.strip() and not line.lstrip().startswith("#"))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or not line.isascii():
        # Not the line itself: it may be a secret.
        raise UsageError("a header line is not `Name: value` in ASCII")
    return name.strip(), value.strip()

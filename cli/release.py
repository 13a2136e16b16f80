"""`tritonrepo release`: a version on given servers, which answer rightly from it, or go back."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import add_public_key, path, whole_number
from tritonrepo.cli.asking import add_version_option
from tritonrepo.cli.fleet import add_fleet_options, held, open_fleet
from tritonrepo.cli.models import NAME, named_store
from tritonrepo.cli.places import add_repository_option
from tritonrepo.cli.status import EXIT_DONE, terminate_as_interrupt
from tritonrepo.client.errors import UsageError
from tritonrepo.client.text import counted
from tritonrepo.repository.publish import find_models, open_repository
from tritonrepo.repository.rollout.fleet import Fleet, FleetError
from tritonrepo.repository.rollout.release import Rollout
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.seam import Record

KEPT = 2
SUMMARY = (
    "Release a version: each server loads it and answers the golden images as the verified artifact did, or every "
    "server goes back to the version before."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `release`."""
    parser.add_argument("name", metavar="MODEL", help=NAME)
    add_version_option(parser, "the one to release (default: the newest that is staged, or else the published one)")
    parser.add_argument(
        "--canary",
        type=whole_number(0, 1_000_000),
        default=0,
        metavar="N",
        help="so many servers load it first, and the others when those have answered rightly; they have to be under "
        "model control",
    )
    parser.add_argument(
        "--overlap",
        action="store_true",
        help="keep the version before loaded beside the new one until every server answers from it and clients have "
        "seen it, so that no request is refused at the switch; twice the memory meanwhile",
    )
    parser.add_argument(
        "--keep",
        type=whole_number(2, 1_000_000),
        default=KEPT,
        metavar="N",
        help="versions to keep, to which a rollback may go (%(default)s); what one of the servers has loaded stays too",
    )
    add_repository_option(parser)
    parser.add_argument("--staging", type=path, metavar="DIR")
    add_public_key(parser)
    add_fleet_options(parser, "who gets it", required=True)


def run(args: argparse.Namespace) -> int:
    """Release; status 0, or 1 where all went back, or somebody else is at it."""
    terminate_as_interrupt()
    store = named_store(args)
    models = find_models(store, args.name)
    if args.version and len(models) > 1:
        raise UsageError(f"--version {args.version}: {args.name} is {', '.join(models)}, each with its own numbers")
    with open_fleet(args) as fleet, held(store, models):
        rollout = Rollout(store, fleet, terminal.note, _switch_of(args), args.public_key)
        for model in models:
            before = read_state(store, model).current
            version = rollout.release(model, args.version, args.canary, overlap=args.overlap)
            terminal.note(f"{model}: version {version} is released on {counted(len(fleet.servers), 'server')}")
            if version != before:  # else a version that was withdrawn could be the one that was meant
                _prune(args, fleet, model)
    return EXIT_DONE


def _prune(args: argparse.Namespace, fleet: Fleet, model: str) -> None:
    """Remove what nobody needs; a server that does not say what it needs is no failure of the release."""
    try:
        with open_repository(args.repository, args.staging, terminal.note, fleet.loaded) as models:
            pruned, left = models.prune(model, args.keep)
    except FleetError as error:
        terminal.note(f"{model}: nothing is pruned: {error}")
        return
    for numbers, words in ((pruned, "pruned"), (left, "cannot be pruned now:")):
        if numbers:
            terminal.note(f"{model}: {words} {', '.join(map(str, numbers))}")


def _switch_of(args: argparse.Namespace) -> Callable[[str, int, bool, Record | None], None]:
    """What commits a version of a model, holding the repository for no longer than that.

    Nothing that a rollback may go to is given up yet: the release may be undone.
    """

    def switch(model: str, version: int, overlap: bool, expected: Record | None) -> None:
        with open_repository(args.repository, args.staging, terminal.note) as models:
            models.switch(model, version, overlap=overlap, expected=expected)

    return switch

"""`tritonrepo rollback`: go back to the version before, of models."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import add_public_key, path
from tritonrepo.cli.fleet import add_fleet_options, held, open_fleet
from tritonrepo.cli.models import add_models, named_models, named_store
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED, terminate_as_interrupt
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.rollout.fleet import Fleet
from tritonrepo.repository.rollout.release import Rollout, again
from tritonrepo.repository.store.seam import Store

SUMMARY = (
    "Serve the version before the one that is served, of all models that are named, or of none. The number of what is "
    "withdrawn is not given again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `rollback`."""
    add_models(parser)
    parser.add_argument("--staging", type=path, metavar="DIR")
    add_public_key(parser)
    add_fleet_options(parser, "have these take the version, and see that they answer from it")


def run(args: argparse.Namespace) -> int:
    """Go back; status 0, or 1 where a server that is named does not."""
    terminate_as_interrupt()
    store = named_store(args)
    if not args.server:
        _go_back(args)
        return EXIT_DONE
    # The servers' words are looked at before a record moves, and so is what somebody else is about to tell them.
    with open_fleet(args) as fleet, held(store, named_models(args, store)):
        return _take(store, fleet, _go_back(args))


def _go_back(args: argparse.Namespace) -> dict[str, int]:
    """Have the record of each model name the version before; the versions."""
    with open_repository(args.repository, args.staging, terminal.note) as models:
        versions = models.roll_back(named_models(args, models.store), args.public_key)
    for name, version in versions.items():
        terminal.note(f"{name}: version {version} is served again")
    return versions


def _take(store: Store, fleet: Fleet, versions: Mapping[str, int]) -> int:
    """Have the servers take what the record of each model names now; a failure of one keeps no other from it."""
    rollout, status = Rollout(store, fleet, terminal.note), EXIT_DONE
    for model, version in versions.items():
        try:
            rollout.take(model)
        except ReleaseError as error:
            terminal.note(f"error: {error}", "red")
            status = EXIT_SOME_FAILED
        except KeyboardInterrupt:
            command = again(model, version)
            raise KeyboardInterrupt(f"while servers took what the record names; go on with: {command}") from None
    return status

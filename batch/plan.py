"""What an output directory is about, kept in it, and held against what the same command would do now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tritonrepo.batch.places import Place
from tritonrepo.batch.service import Present
from tritonrepo.batch.shards import NAME, failed_in, name_of
from tritonrepo.batch.work import Share, digest_of
from tritonrepo.client.basis import Basis
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options

# Readers of parquet directories pass over names that begin so.
PLAN = "_batch.json"
_LIST = "_images-"


@dataclass(frozen=True)
class Plan:
    """What decides the output.

    Attributes:
        model: Who is asked.
        version: That of it which answered when the run began.
        contract: The digest of its contract and labels.
        settings: The options that change predictions.
        list: The digest of the images' names and identities.
        images: How many there are.
        shard_size: Images of a shard.
        schema: Of this record.
    """

    model: str
    version: str
    contract: str
    settings: str
    list: str
    images: int
    shard_size: int
    schema: int = 1

    @classmethod
    def of(cls, present: Present, options: Options, shares: Sequence[Share], shard_size: int) -> Plan:
        """That of a run which begins now."""
        settings = Basis.of(options, "", "").settings
        images = sum(share.images for share in shares)
        return cls(present.model, present.version, present.contract, settings, digest_of(shares), images, shard_size)

    @classmethod
    def read(cls, place: Place) -> Plan | None:
        """What a place keeps; None where it keeps nothing.

        Raises:
            UsageError: It keeps something else.
            MissingError: It cannot be read.
        """
        data = place.read(PLAN)
        if data is None:
            return None
        try:
            fields = json.loads(data)
            if fields["schema"] != cls.schema:
                raise UsageError(f"{place} was written by a later release; install that one, or give another --output")
            return cls(**fields)
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise UsageError(f"{place}: {PLAN} is not this command's; give another --output") from exc

    @property
    def basis(self) -> str:
        """What every result depends on beside its image."""
        return f"{self.model} {self.contract} {self.settings}"

    @property
    def list_name(self) -> str:
        """The file's with the list of images."""
        return f"{_LIST}{self.list}.parquet"

    def check(self, old: Plan, place: Place, redo: bool) -> None:
        """Compare with what a run before was about.

        Raises:
            UsageError: It was about something else, and `redo` does not help or is not given.
        """
        if (old.model, old.settings) != (self.model, self.settings):
            raise UsageError(
                f"{place} holds results of {old.model} ({old.settings}), and this run would add those of {self.model} "
                f"({self.settings}). Give another --output, or the same model and options."
            )
        if not redo and (change := self._change_since(old)):
            raise UsageError(f"{place} {change}, and another --output leaves it as it is.")

    def _change_since(self, old: Plan) -> str:
        """What is no longer as it was, and what helps; empty where all is."""
        if old.contract != self.contract:
            other = old.version != self.version
            held = f", --version {old.version} goes on with that one while it is served" if other else ""
            return (
                f"holds results of version {old.version} of {old.model} by another contract or other labels than those "
                f"of version {self.version}, which would answer now. --redo asks for all of them again{held}"
            )
        if old.shard_size != self.shard_size:
            return (
                f"has shards of {old.shard_size} images: give --shard-size {old.shard_size}; --redo does all of them "
                "again"
            )
        if old.list != self.list:
            return (
                f"is about another list of images: {old.images:,} then, {self.images:,} now, or some have changed. "
                "--redo does the shards again that differ"
            )
        return ""


@dataclass(frozen=True)
class Pending:
    """A shard that is still to be written.

    Attributes:
        number: From 0.
        name: Its file's.
    """

    number: int
    name: str


@dataclass(frozen=True)
class State:
    """What is there and what is not.

    Attributes:
        pending: The shards that are not.
        images: In those that are.
        failed: How many of these could not be classified.
    """

    pending: tuple[Pending, ...]
    images: int
    failed: int


def settle(place: Place, plan: Plan, shares: Sequence[Share], listed: Path, redo: bool) -> State:
    """Make the place one of this plan, and find out what is done.

    Args:
        place: The output.
        plan: What it is to be about.
        shares: The rows of each shard.
        listed: The file with the list of images.
        redo: Remove what another list or contract gave.

    Raises:
        UsageError: The place is another's, or another plan's.
        MissingError: It cannot be read or written.
    """
    old, there = Plan.read(place), place.names()
    if old:
        plan.check(old, place, redo)
    elif strange := [name for name in there if not name.startswith(_LIST)]:  # lists are written before the record
        raise UsageError(f"{place} holds {strange[0]}, and is no output of this command; give an empty --output")
    names = [name_of(share, plan.basis) for share in shares]
    if old is None or replace(old, version=plan.version) != plan or plan.list_name not in there:
        place.write(plan.list_name, listed)
        place.remove({name for name in there if NAME.fullmatch(name)}.difference(names))
        place.write(PLAN, f"{json.dumps(asdict(plan), indent=1)}\n".encode())
        place.remove(name for name in there if name.startswith(_LIST) and name != plan.list_name)
    return _state(place, shares, names, set(there))


def _state(place: Place, shares: Sequence[Share], names: Sequence[str], there: set[str]) -> State:
    pending, images, failures = [], 0, 0
    for share, name in zip(shares, names, strict=True):
        failed = failed_in(place, name, share.images) if name in there else None
        if failed is None:
            pending.append(Pending(share.number, name))
        else:
            images, failures = images + share.images, failures + failed
    return State(tuple(pending), images, failures)

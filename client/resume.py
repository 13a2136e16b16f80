"""What an earlier run left in a result file, held against the pictures and the server of today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from tritonrepo.client.basis import Basis
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options
from tritonrepo.client.result_file import Done, Record
from tritonrepo.client.sources import MISSING, UNREAD, is_url, of_name
from tritonrepo.client.versions import Versions


class Named(Protocol):
    """Something that belongs to an image."""

    @property
    def name(self) -> str:
        """The image's name."""


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class Present:
    """Who would answer now, and how images would be prepared.

    Attributes:
        model: Its name.
        version: The version that answers.
        basis: What a result depends on, but for the file.
        redo: Whether to ask again for what another contract gave, which else is refused.
    """

    model: str
    version: str
    basis: Basis
    redo: bool = False

    @classmethod
    def of(cls, versions: Versions, version: str, options: Options, redo: bool = False) -> Present:
        """That of a version which answers."""
        return cls(versions.contract(version).name, version, Basis.of(options, versions.digest(version), ""), redo)

    def why_again(self, path: Path, record: Record, file: str) -> str | None:
        """Why the record no longer holds; None where it does.

        Args:
            path: The result file, for the message.
            record: What is in it.
            file: The image's identity now.

        Raises:
            UsageError: The record is another model's or contract's, or was made with other options, so that the file
                is another's.
        """
        if (record.model, record.basis.settings) != (self.model, self.basis.settings):
            raise UsageError(
                f"{path} holds results of {record.model} ({record.basis.settings}), and this run would add those of "
                f"{self.model} ({self.basis.settings}). Give it another file, or the same model and options."
            )
        if record.basis.file != file:
            return "that the system could not read" if record.basis.file == UNREAD else "whose picture has changed"
        if record.basis.contract not in ("", self.basis.contract):
            if not self.redo:
                raise UsageError(self._refusal(path, record.version))
            return "by another contract or other labels"
        if record.failed and not record.version and is_url(record.image):
            return "that gave no picture when their addresses were asked"
        if record.failed and record.version not in ("", self.version):
            return f"that another version than {self.version} could not classify"
        return None

    def _refusal(self, path: Path, version: str) -> str:
        """What to say of results by another contract, and what to do."""
        held = "" if version == self.version else f"--version {version} goes on with that version while it is served, "
        return (
            f"{path} holds results of version {version} of {self.model} by another contract or other labels than those "
            f"of version {self.version}, which would answer now. --redo asks for them again, {held}and another file "
            "leaves them as they are."
        )


def identity(name: str) -> str:
    """That of the image which a result calls so, now."""
    return of_name(name, Path(name)).identity()


def outdated(path: Path, done: Done, present: Present) -> dict[Record, str]:
    """The records of `classify` that no longer hold, and why. What was deleted since has not changed.

    Raises:
        UsageError: The file is another run's.
    """
    found = {}
    for record in done.records:
        now = identity(record.image)
        if why := present.why_again(path, record, record.basis.file if now == MISSING else now):
            found[record] = why
    return found


def said(path: Path, total: int, again: Collection[str]) -> str:
    """The sentence about what is done again."""
    reasons = ", ".join(f"{count:,} {why}" for why, count in Counter(again).most_common())
    return f"{path}: {len(again):,} of its {total:,} results are done again: {reasons}"


def skip_done(items: Iterable[N], done: Counter[str]) -> Iterator[N]:
    """The items that are not done; what is asked for twice has to be there twice."""
    left = done.copy()
    for item in items:
        if left[item.name] > 0:
            left[item.name] -= 1
        else:
            yield item

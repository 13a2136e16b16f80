"""Where the models of a server are: a directory of this machine, or an object store that Triton reads by itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tritonrepo.repository.errors import ConfigError, RepositoryError
from tritonrepo.repository.layout import CONFIG_FILENAME, LARGEST_VERSION, parse_config
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.serve.models import (
    NEEDS_PLAIN_NAME,
    RepositoryModel,
    describe_model,
    is_plain,
    read_repository,
    refuse_obstacles,
    see_steps,
)
from tritonrepo.serve.translation import load_request, request_for, state

if TYPE_CHECKING:
    from tritonrepo.repository.store.seam import Store

ACCOUNT = "AZURE_STORAGE_ACCOUNT"
"""Of the environment: for Triton it wins over the account in the address."""


class Source(Protocol):
    """A model repository, as a server needs it.

    Attributes:
        address: As its user wrote it.
    """

    address: str

    def models(self) -> list[RepositoryModel]:
        """Read the models, by name. Raises `RepositoryError`."""

    def names(self) -> list[str]:
        """The models that were there lately. Raises `RepositoryError`."""

    def refuse_obstacles(self, *, polling: bool) -> None:
        """Raise `RepositoryError` where something keeps Triton from listing the repository, or from surviving it."""

    def word(self, directory: Path) -> str:
        """What tritonserver is told; `directory` is its temporary one."""

    def load_request(self, name: str) -> bytes:
        """The body of a request to load a model."""

    def state(self, model: RepositoryModel) -> tuple[object, ...]:
        """What changes with a model; empty where Triton itself knows that best."""


def source_of(place: Path | Address) -> Source:
    """The source at a place.

    Raises:
        MissingError: The package that reads a store is not installed.
        StoreError: There are no credentials.
    """
    return DirectorySource(place) if isinstance(place, Path) else StoreSource(place, open_store(place))


class DirectorySource:
    """A directory of this machine."""

    def __init__(self, root: Path) -> None:
        self.address, self._root = str(root), root

    def models(self) -> list[RepositoryModel]:
        """As the protocol has it."""
        return read_repository(self._root)

    def names(self) -> list[str]:
        """As the protocol has it."""
        return [model.name for model in self.models()]

    def refuse_obstacles(self, *, polling: bool) -> None:
        """As the protocol has it."""
        refuse_obstacles(self._root, polling=polling)

    def word(self, directory: Path) -> str:
        """A path that reaches a stub: its own, or a link to it in `directory`."""
        root = self._root.resolve()
        if is_plain(str(root)):
            return str(root)
        link = directory / "repository"
        link.symlink_to(root)
        return str(link)

    def load_request(self, name: str) -> bytes:
        """As the protocol has it."""
        return load_request(self._root / name)

    def state(self, model: RepositoryModel) -> tuple[object, ...]:
        """Triton knows what has changed, but for what comes with a configuration: that it loads anew each time."""
        return state(self._root / model.name) if model.translated else ()


class StoreSource:
    """An object store. Each model has a record, which changes when another version is to be served, and only then."""

    def __init__(self, address: Address, store: Store) -> None:
        self.address, self._store = str(address), store
        self._tags: dict[str, str] = {}
        # Triton asks Azure for the time of a directory, which has none, and takes each model to be as it was. Only
        # what comes with its configuration is loaded anew.
        self._unseen = address.scheme == "as"
        self._account = address.account

    def models(self) -> list[RepositoryModel]:
        """As the protocol has it: a request for the list, and one for each model."""
        found = {name: self._read(name) for name in self._store.models()}
        self._tags = {name: tag for name, (_, tag) in found.items()}
        return see_steps([model for model, _ in found.values()])

    def names(self) -> list[str]:
        """Those of the last look."""
        return sorted(self._tags)

    def refuse_obstacles(self, *, polling: bool) -> None:
        """As the protocol has it."""
        if self._account and (named := os.environ.get(ACCOUNT, "")) not in ("", self._account):
            raise RepositoryError(
                f"{self.address}: Triton would read the account {named}; unset {ACCOUNT}, or correct it"
            )
        for name in self._store.models():
            if polling and not is_plain(name):
                raise RepositoryError(f"{self.address}/{name} cannot be polled: {NEEDS_PLAIN_NAME}; rename it")
            if (beyond := max(self._store.versions(name), default=0)) > LARGEST_VERSION:
                raise RepositoryError(f"{self.address}/{name}: Triton aborts at its version {beyond}; remove that")

    def word(self, directory: Path) -> str:
        """As the protocol has it."""
        return self.address

    def load_request(self, name: str) -> bytes:
        """As the protocol has it."""
        try:
            record = self._store.record(name)
            return request_for(parse_config(record.text, name), always=self._unseen) if record else b"{}"
        except ConfigError:  # Triton says the same.
            return b"{}"

    def state(self, model: RepositoryModel) -> tuple[object, ...]:
        """The record that was read last, where it names the versions; else Triton itself looks at all the files."""
        return tuple(filter(None, (self._tags.get(model.name),)))

    def _read(self, name: str) -> tuple[RepositoryModel, str]:
        """A model, and the tag of its record; empty where a new version needs no new record."""
        where = f"{self.address}/{name}/{CONFIG_FILENAME}"
        try:
            record = self._store.record(name)
            if record is None:
                return RepositoryModel(name, fault=f"cannot read {where}: there is no such file"), ""
            config = parse_config(record.text, where)
        except ConfigError as error:
            return RepositoryModel(name, fault=str(error)), ""
        model = describe_model(name, config)
        tag = record.tag if config.version_policy.HasField("specific") else ""
        return replace(model, translated=model.translated or self._unseen), tag

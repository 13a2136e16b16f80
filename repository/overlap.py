"""Two versions of a model that are loaded at once: Triton has one configuration for both, so it must fit both."""

from __future__ import annotations

from collections.abc import Sequence

from tritonrepo.repository.contract_changes import find_changes
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import CONFIG_FILENAME
from tritonrepo.repository.state import State, own_configuration, own_labels
from tritonrepo.repository.store.seam import Store


def changes_from(store: Store, state: State, version: int, text: str, labels: Sequence[str]) -> tuple[str, ...]:
    """What of the contract differs from a version of the model.

    Args:
        store: Where it lies.
        state: The model as it stands.
        version: The number. 0: there is none, and nothing differs.
        text: The configuration of the version that comes.
        labels: Its labels.

    Raises:
        ConfigError: A configuration cannot be read.
    """
    if not state.record or not version:
        return ()
    # Clients know of the version that is served what its record says.
    before = state.record.text if version == state.current else own_configuration(store, state, version)
    return find_changes(before, own_labels(store, state, version), text, labels)


def check_beside(store: Store, state: State, other: int, version: int, text: str, labels: Sequence[str]) -> None:
    """Return if a version can be loaded beside another one and answers instead of it.

    Args:
        store: Where they lie.
        state: The model as it stands.
        other: The number of the one that is loaded.
        version: The number of the one that comes.
        text: Its configuration.
        labels: Its labels.

    Raises:
        PublishError: It cannot: one configuration would speak for both, or the other one would go on answering.
        ConfigError: A configuration cannot be read.
    """
    where = f"{store.address}/{state.model}"
    if version < other:
        raise PublishError(f"{where}: version {other} would go on answering beside {version}; no --overlap")
    if changes := changes_from(store, state, other, text, labels):
        raise PublishError(
            f"{where}: version {version} cannot be loaded beside {other}, because one {CONFIG_FILENAME} speaks for "
            f"both, and they differ: {'; '.join(changes)}; leave --overlap out"
        )

"""Which versions nobody needs any more."""

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from tritonrepo.client.errors import MissingError
from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.state import State
from tritonrepo.repository.store.seam import Store

InUse = Callable[[str], Collection[int]]
"""Takes a model's name and returns the versions of it that some server has loaded."""
Pruned: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""The numbers of the versions that went, and of those that could not be removed."""


def prune(store: Store, state: State, in_use: InUse = lambda _: (), keep: int | None = None) -> Pruned:
    """Remove the versions of a model that we published and nothing refers to.

    What stays: the versions that a record serves, itself or as a step of an ensemble; those to which a rollback may go;
    those that are staged; those that a server has loaded; and what somebody else put there.

    Args:
        store: Where they lie.
        state: The model.
        in_use: Says what servers have loaded.
        keep: To how many versions a rollback may go, with the one that is served. None: to those of the record.

    Returns:
        The numbers of those that went, and of those that could not be removed: what was published is served all the
        same, so that is no failure.
    """
    reached = state.released if keep is None else state.released[-keep:]
    needed = {*state.served, *reached, *state.staged, *in_use(state.model), *_steps(store, state.model)}
    pruned, left = [], []
    for number in state.published:
        if number in needed:
            continue
        try:
            store.remove_version(state.model, number)
        except (MissingError, OSError):
            left.append(number)
        else:
            pruned.append(number)
    return tuple(pruned), tuple(left)


def _steps(store: Store, model: str) -> Iterable[int]:
    """The versions of a model that ensembles name."""
    for name in store.models():
        record = store.record(name)
        if record is None or f'"{model}"' not in record.text:
            continue
        try:
            config = parse_config(record.text, name)
        except ConfigError:  # nobody serves it
            continue
        yield from (step.model_version for step in config.ensemble_scheduling.step if step.model_name == model)

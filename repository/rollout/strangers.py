"""Servers of another repository, found out by what they have loaded, before they are told anything."""

from __future__ import annotations

from tritonrepo.repository.layout import CONFIG_FILENAME, parse_config
from tritonrepo.repository.rollout.errors import ServerError
from tritonrepo.repository.rollout.servers import Loaded
from tritonrepo.repository.state import State, own_configuration
from tritonrepo.repository.store.seam import Store

TELLING = ("weights", "preprocessing")
"""The parameters of a configuration by which two versions of one number are told apart; no server changes them."""


def refuse_stranger(store: Store, state: State, had: Loaded) -> None:
    """Return if what a server has of a model may come from this repository.

    Args:
        store: The repository.
        state: The model as it stands there.
        had: What the server has of it.

    Raises:
        ServerError: It cannot.
    """
    where, highest = f"{store.address}/{state.model}", max((state.highest, *state.versions))
    if had.version > highest:
        raise _stranger(f"has version {had.version} of {state.model}, and {where} never had more than {highest}")
    if had.version in state.published and (name := _difference(store, state, had)):
        raise _stranger(f"has another version {had.version} of it than {where}: its {name} parameter differs")


def _stranger(fault: str) -> ServerError:
    return ServerError(
        f"{fault}. It serves another repository; or this one was made anew after the server had started: then start it "
        "again"
    )


def _difference(store: Store, state: State, had: Loaded) -> str:
    """The parameter that is of another version; empty if there is none, or nothing is known of that version."""
    if CONFIG_FILENAME not in store.files(state.model, had.version):  # of an earlier release
        return ""
    texts = [own_configuration(store, state, had.version)]
    if state.record is not None and had.version == state.current:  # it may have been edited by hand
        texts.append(state.record.text)
    ours = [parse_config(text, state.model).parameters for text in texts]
    for name in TELLING:
        known = {one[name].string_value for one in ours if name in one}
        there = had.config.get("parameters", {}).get(name, {}).get("string_value", "")
        if known and there not in known:
            return name
    return ""

"""How each model of a server fares."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.limits import shortage
from tritonrepo.serve.models import (
    LEFT_OUT,
    READY,
    UNAVAILABLE,
    ModelStatus,
    RepositoryModel,
    find_logged_reason,
    tidy_reason,
)
from tritonrepo.serve.source import Source

Ask = Callable[[str, str], Any]
"""Takes a method and a path, and returns the JSON that Triton answers."""


def take_inventory(ask: Ask, source: Source, read_log: Callable[[], str]) -> list[ModelStatus]:
    """Return every model of a repository, and every version that is loaded: ready, or why not.

    Args:
        ask: Asks the server.
        source: What it serves.
        read_log: Returns its log.

    Raises:
        RepositoryError: The repository is gone.
        ServeError: The server does not answer.
    """
    index: list[dict[str, str]] = ask("POST", "/v2/repository/index")
    known = {model.name: model for model in source.models()}
    listed = [entry for entry in index if not entry["name"].startswith(".")]
    # Triton does not list a model that it cannot load at all, one without a version for example.
    listed += [{"name": name} for name in known.keys() - {entry["name"] for entry in listed}]
    statuses = [
        find_status(ask, entry, known.get(entry["name"], RepositoryModel(entry["name"])), read_log) for entry in listed
    ]
    return sorted(statuses, key=lambda status: (status.name, status.version))


def find_status(ask: Ask, entry: Mapping[str, str], model: RepositoryModel, read_log: Callable[[], str]) -> ModelStatus:
    """Return what an entry of Triton's index, the repository and the log say of a model."""
    version, state = entry.get("version", ""), entry.get("state", UNAVAILABLE)
    if state == READY:
        backend = model.backend or find_backend(ask, model.name)
        return ModelStatus(model.name, version, backend, model.max_batch_size, READY, "")
    if model.left_out:
        return ModelStatus(model.name, "", model.backend, model.max_batch_size, LEFT_OUT, model.left_out)
    reason = entry.get("reason") or model.fault
    if state == UNAVAILABLE and not reason:
        reason = find_logged_reason(model.name, read_log())
    reason = shortage(reason) or tidy_reason(reason)
    return ModelStatus(model.name, version, model.backend, model.max_batch_size, state, reason)


def find_backend(ask: Ask, name: str) -> str:
    """Return the backend that Triton chose for a model whose config names none."""
    with contextlib.suppress(ServeError):  # It may be unloaded at any moment.
        return str(ask("GET", f"/v2/models/{quote(name)}/config").get("backend", ""))
    return ""

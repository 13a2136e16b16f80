"""Served models that take image files as they are: the ensemble `<model>_encoded`, and its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tritonrepo.client.errors import ContractError

STANDS_ON = "stands_on"
"""The parameter in which they name the model around which they are."""
_NAME = re.compile(r".+_encoded(_decode|_rank)?")


def takes_files(name: str) -> bool:
    """Whether a model is, by its name, one of them: none is another format of a model."""
    return _NAME.fullmatch(name) is not None


def refuse_encoded(name: str, parameters: Mapping[str, str]) -> None:
    """Refuse a model that wants no prepared pictures.

    Args:
        name: The model's.
        parameters: Of its configuration.

    Raises:
        ContractError: It is one of them; the message names the model to ask instead.
    """
    if STANDS_ON in parameters:
        raise ContractError(
            f"{name} takes image files as they are, and this client prepares its pictures itself; ask the model that "
            f"it stands on: {parameters[STANDS_ON]}"
        )

"""Served models that take image files as they are: the ensemble `<model>_encoded`, and its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tritonrepo.client.errors import ContractError

STANDS_ON = "stands_on"
"""The parameter in which they name the model around which they are."""
INPUT = "input"
"""The parameter in which such an ensemble says what it takes; models of prepared pictures have none."""
FILES = "encoded"
"""The bytes of one image file, as it is."""
REFUSED = "the image: "
"""Begins what the first step says of a file that it refuses."""
_NAME = re.compile(r".+_encoded(_dali)?(_decode|_rank)?")


def takes_files(name: str) -> bool:
    """Whether a model is, by its name, one of them: none is another format of a model."""
    return _NAME.fullmatch(name) is not None


def wants_files(name: str, parameters: Mapping[str, str]) -> bool:
    """Whether a model takes image files as this client sends them.

    Args:
        name: The model's.
        parameters: Of its configuration.

    Raises:
        ContractError: It is a step of such a model, or takes them in another way; the message names the model to ask
            instead.
    """
    if STANDS_ON not in parameters:
        return False
    if parameters.get(INPUT) == FILES:
        return True
    raise ContractError(
        f"{name} takes image files as they are, and not as this client sends them; ask the model that it stands on: "
        f"{parameters[STANDS_ON]}"
    )

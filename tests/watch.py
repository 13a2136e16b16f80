"""What a client is refused before it asks again, which its results do not tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from tritonrepo.client import Classifier
from tritonrepo.client.errors import ModelUnavailableError, ServerUnavailableError
from tritonrepo.client.failover import Servers
from tritonrepo.client.transport import Answer, Inference, Transport

SWITCH = re.compile(r"is not at ready state|has no available versions|is not found", re.IGNORECASE)
"""How Triton refuses a request at the moment at which it gives up a version."""


@dataclass(frozen=True)
class Watched:
    """A transport that notes the requests without an answer which the client sends again.

    Attributes:
        transport: That sends them.
        refused: Gets the message of each.
    """

    transport: Transport
    refused: list[str]

    def infer(self, request: Inference) -> Answer:
        """One request, once."""
        try:
            return self.transport.infer(request)
        except (ModelUnavailableError, ServerUnavailableError) as error:
            self.refused.append(str(error))
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


def watch(classifier: Classifier, refused: list[str]) -> None:
    """Have each refusal noted that a classifier gets from now on. The client has no count of its own."""
    servers = classifier.transport
    assert isinstance(servers, Servers)
    servers._transports = tuple(cast(Transport, Watched(one, refused)) for one in servers._transports)

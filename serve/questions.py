"""Questions to a Triton over HTTP."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from tritonrepo.serve.errors import ServeError

ANSWER_SECONDS = 10


def ask(address: str, method: str, path: str, headers: Mapping[str, str] | None = None) -> Any:
    """Return the JSON that Triton answers, or None for an empty answer.

    Args:
        address: HOST:PORT.
        method: GET, or POST, which sends an empty JSON object.
        path: What is asked for, from `/v2` on.
        headers: The key, for what is closed.

    Raises:
        ServeError: There was no answer, or it is a refusal.
    """
    connection = http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, "{}" if method == "POST" else None, dict(headers or {}))
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise ServeError(f"tritonserver does not answer at {address}: {error}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ServeError(f"tritonserver answered {response.status} to {method} {path}: {answer}")
    return json.loads(answer) if answer else None

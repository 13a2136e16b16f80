"""Questions to a Triton over HTTP."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from tritonrepo.repository.shortage import SHORTAGES, explain
from tritonrepo.serve.errors import CannotAskError, NoAnswerError, ServeError, SilentError

ANSWER_SECONDS = 10.0


def ask(
    address: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float = ANSWER_SECONDS,
    body: bytes = b"{}",
) -> Any:
    """Return the JSON that Triton answers, or None for an empty answer.

    Args:
        address: HOST:PORT.
        method: GET, or POST, which sends `body`.
        path: What is asked for, from `/v2` on.
        headers: The key, for what is closed.
        seconds: How long the answer may take.
        body: JSON.

    Raises:
        ServeError: There was no answer, or it is a refusal.
    """
    status, answer = exchange(address, method, path, body if method == "POST" else None, headers or {}, seconds)
    if status != http.client.OK:
        raise ServeError(f"tritonserver answered {status} to {method} {path}: {answer.decode(errors='replace')}")
    return json.loads(answer) if answer else None


def exchange(
    address: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float
) -> tuple[int, bytes]:
    """Send one request on a connection of its own; the status and the body of the answer, whatever they are.

    Raises:
        SilentError: There was no answer in time.
        CannotAskError: This process has run out of files or memory.
        NoAnswerError: There was no answer at all.
    """
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    except TimeoutError:
        raise SilentError(f"tritonserver does not answer at {address} within {seconds:g} s") from None
    except OSError as error:
        if error.errno in SHORTAGES:
            raise CannotAskError(explain(error)) from None
        raise NoAnswerError(f"tritonserver does not answer at {address}: {error}") from None
    except http.client.HTTPException as error:
        raise NoAnswerError(f"tritonserver does not answer at {address}: {error}") from None
    finally:
        connection.close()

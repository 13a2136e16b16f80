"""Images by URL, within limits of size, time and redirects."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from email.message import Message
from urllib.parse import quote

from tritonrepo.client.errors import ImageError

MAX_BYTES = 64 << 20
DEADLINE = 30.0
_CHUNK = 1 << 16
# Spaces and letters beyond ASCII are escaped, as browsers do; what has a meaning in a URL stays.
_KEPT = "%/:=&?~#+!$,;'@()*[]"
_HEADERS = {"User-Agent": "triton-repository-builder-client", "Accept": "image/*"}


def fetch(url: str, limit: int = MAX_BYTES, deadline: float = DEADLINE) -> bytes:
    """The body of an http(s) URL, after at most ten redirects. Proxies are taken from the environment.

    Args:
        url: The address.
        limit: Most bytes of it.
        deadline: Seconds for all of it.

    Raises:
        ImageError: It cannot be had within these bounds.
    """
    end = time.monotonic() + deadline
    try:
        request = urllib.request.Request(quote(url, safe=_KEPT), headers=_HEADERS)
        with urllib.request.urlopen(request, timeout=deadline) as response:
            _check_head(response.headers, limit)
            return _read(response, limit, end)
    except urllib.error.HTTPError as exc:
        with exc:
            message = str(exc.msg).partition("\n")[0]
        raise ImageError(f"HTTP status {exc.code}: {message}", url) from exc
    except TimeoutError as exc:
        raise ImageError(f"not fetched within {deadline:g} s", url) from exc
    except urllib.error.URLError as exc:
        reason = f"not fetched within {deadline:g} s" if isinstance(exc.reason, TimeoutError) else str(exc.reason)
        raise ImageError(f"not fetched: {reason}", url) from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise ImageError(f"not fetched: {exc or type(exc).__name__}", url) from exc


def _check_head(headers: Message, limit: int) -> None:
    kind = headers.get_content_type()
    # Servers send pictures as octet-stream, and get_content_type() says text/plain where there is no type at all.
    if "content-type" in headers and not kind.startswith("image/") and kind != "application/octet-stream":
        raise ImageError(f"the server sent {kind}, not an image")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise ImageError(f"{int(length):,} bytes, more than the limit of {limit:,}")


def _read(response: http.client.HTTPResponse, limit: int, end: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise ImageError(f"more than the limit of {limit:,} bytes")
        if time.monotonic() > end:
            raise TimeoutError
    return bytes(body)

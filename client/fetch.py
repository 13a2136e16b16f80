"""Images by URL, within limits of size, time, redirects and schemes, and never led into a private network."""

from __future__ import annotations

from tritonrepo.client.download import TransferError, opened
from tritonrepo.client.errors import ImageError, UnreachableImageError
from tritonrepo.client.http_pool import read_body
from tritonrepo.client.text import printable

MAX_BYTES = 64 << 20
DEADLINE = 30.0


def fetch(url: str, limit: int = MAX_BYTES, deadline: float = DEADLINE) -> bytes:
    """Return the body of an http(s) URL, as `download.opened` gets it.

    Args:
        url: The address.
        limit: Most bytes, decompressed.
        deadline: Seconds for all of it, from the look-up of the name to the last byte, redirects included.

    Raises:
        UnreachableImageError: The network or the server fails, or the time is up.
        ImageError: It cannot be had within these bounds, now or later.
    """
    try:
        with opened(url, deadline, limit, "image/*") as response:
            _check_kind(response.headers.get("content-type", ""))
            body = read_body(response, limit)
    except TransferError as exc:
        raise _image_error(exc, url) from exc
    if not body:
        raise ImageError("the server sent nothing", url)
    return body


def _image_error(exc: TransferError, url: str) -> ImageError:
    if not exc.passing:
        return ImageError(str(exc), url)
    found = UnreachableImageError(str(exc), url)
    found.retry_after = exc.retry_after
    return found


def _check_kind(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    # Servers send pictures as octet-stream, or without a type.
    if kind and not kind.startswith("image/") and kind != "application/octet-stream":
        raise TransferError(f"the server sent {printable(kind)[:100]}, not an image")

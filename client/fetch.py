"""Images by URL, within limits of size, time, redirects and schemes, and never led into a private network."""

from __future__ import annotations

import functools
import http.client
import re
import ssl
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import quote, urljoin

import urllib3
from urllib3.util import Url, parse_url

from tritonrepo.client.deadline import within
from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.http_pool import TooLargeError, innermost, is_timeout, open_pool, read_body
from tritonrepo.client.messages import said
from tritonrepo.client.networks import is_public, proxy_for
from tritonrepo.client.text import printable

MAX_BYTES = 64 << 20
MAX_REDIRECTS = 10
DEADLINE = 30.0
# Spaces and letters beyond ASCII are escaped, as browsers do; what has a meaning in a URL stays.
_KEPT = "%/:=&?~#+!$,;'@()*[]"
_HEADERS = {"User-Agent": "triton-repository-builder-client", "Accept": "image/*"}
_IN_NUMBERS = re.compile(r"(0x[0-9a-f]+|\d+)(\.(0x[0-9a-f]+|\d+))*|\[.*\]", re.ASCII | re.IGNORECASE)
_REDIRECTS = (301, 302, 303, 307, 308)


def fetch(url: str, limit: int = MAX_BYTES, deadline: float = DEADLINE) -> bytes:
    """Return the body of an http(s) URL. Proxies are taken from the environment.

    A redirect may not lead to an address that is not public (this host, a private network, a cloud's metadata), unless
    the URL that was given was of such an address itself. Behind a proxy, which looks names up by itself, only a host
    that is written as an address can be judged.

    Args:
        url: The address.
        limit: Most bytes, decompressed.
        deadline: Seconds for all of it, from the look-up of the name to the last byte, redirects included.

    Raises:
        ImageError: It cannot be had within these bounds.
    """
    guard = _Guard()
    try:
        with within(deadline, guard.check):
            here = _parsed(url)
            for _ in range(MAX_REDIRECTS + 1):
                found = _visit(here, guard, limit)
                if isinstance(found, bytes):
                    return found
                here = _next(here, found)
                guard.redirected = True
            raise ImageError(f"more than {MAX_REDIRECTS} redirects")
    except ImageError as exc:
        raise ImageError(exc.reason, url) from exc
    except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError, UsageError) as exc:
        reason = f"not fetched within {deadline:g} s" if is_timeout(exc) else f"not fetched: {said(innermost(exc))}"
        raise ImageError(reason, url) from exc


class _Guard:
    """Keeps a redirect out of what is not public, unless the first address was not public either."""

    def __init__(self) -> None:
        self.redirected = False
        self._began_inside = False
        self._proxied = False

    def expect(self, host: str, *, proxied: bool) -> None:
        """Judge a host that a proxy will connect to, as far as its name tells; others are judged by `check`."""
        self._proxied = proxied
        if proxied and _IN_NUMBERS.fullmatch(host):
            self._judge(host.strip("[]"))

    def check(self, address: str) -> None:
        """Judge an address that is about to be connected to; a proxy may be anywhere."""
        if not self._proxied:
            self._judge(address)

    def _judge(self, address: str) -> None:
        if is_public(address):
            return
        if not self.redirected:
            self._began_inside = True
        elif not self._began_inside:
            raise ImageError(f"a redirect leads to {address}, which is not a public address")


def _visit(url: Url, guard: _Guard, limit: int) -> bytes | str:
    """The body, or where a redirect leads."""
    secure, host = url.scheme == "https", str(url.host)
    proxy = proxy_for(str(url.scheme), host)
    guard.expect(host, proxied=proxy is not None)
    # A pool of its own: a connection that is kept would not be judged again.
    with open_pool(_tls() if secure else None, proxy) as pool:
        response = pool.request("GET", url.url, headers=_HEADERS, preload_content=False, redirect=False)
        with closing(response):
            if response.status in _REDIRECTS:
                return response.headers.get("Location", "")
            if response.status != 200:
                raise ImageError(f"HTTP status {response.status}: {printable(response.reason or '')[:100]}")
            _check_head(response.headers, limit)
            try:
                body = read_body(response, limit)
            except TooLargeError:
                raise ImageError(f"more than the limit of {limit:,} bytes") from None
    if not body:
        raise ImageError("the server sent nothing")
    return body


def _parsed(url: str) -> Url:
    parsed = parse_url(quote(url, safe=_KEPT))
    if parsed.auth:
        raise ImageError("the address holds a user name, which is not supported")
    return parsed._replace(fragment=None)


def _next(here: Url, location: str) -> Url:
    """Where a redirect leads; it may go from http to https, and nowhere else."""
    there = _parsed(urljoin(here.url, location))
    if there.scheme not in ("http", "https") or (here.scheme, there.scheme) == ("https", "http"):
        raise ImageError(f"a redirect leads from {here.scheme} to {there.scheme}, which is not followed")
    return there


@functools.cache
def _tls() -> ssl.SSLContext:
    """The system's list of authorities, which takes some 20 ms to read."""
    return ssl.create_default_context()


def _check_head(headers: Mapping[str, str], limit: int) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    # Servers send pictures as octet-stream, or without a type.
    if kind and not kind.startswith("image/") and kind != "application/octet-stream":
        raise ImageError(f"the server sent {printable(kind)[:100]}, not an image")
    length = headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > limit:
        raise ImageError(f"{int(length):,} bytes, more than the limit of {limit:,}")

"""One file over http(s), within limits of time, redirects and schemes, and never led into a private network."""

from __future__ import annotations

import functools
import http.client
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import quote, urljoin

import urllib3
from urllib3.util import Url, parse_url

from tritonrepo.client.deadline import within
from tritonrepo.client.errors import UsageError
from tritonrepo.client.http_pool import TooLargeError, innermost, is_timeout, open_pool, retry_after
from tritonrepo.client.messages import said
from tritonrepo.client.networks import is_public, proxy_for
from tritonrepo.client.text import printable

MAX_REDIRECTS = 10
# Spaces and letters beyond ASCII are escaped, as browsers do; what has a meaning in a URL stays.
_KEPT = "%/:=&?~#+!$,;'@()*[]"
_AGENT = "triton-repository-builder-client"
_IN_NUMBERS = re.compile(r"(0x[0-9a-f]+|\d+)(\.(0x[0-9a-f]+|\d+))*|\[.*\]", re.ASCII | re.IGNORECASE)
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)
"""Too slow, too early, too often: the statuses below 500 that do not mean the address."""


class TransferError(Exception):
    """It cannot be had; why, without the address.

    Attributes:
        passing: Whether the same may succeed later: the network, the server or the deadline has failed.
        retry_after: Seconds that the server asks to be left alone, 0 if it does not.
    """

    def __init__(self, reason: str, *, passing: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.passing = passing
        self.retry_after = retry_after


@contextmanager
def opened(url: str, deadline: float, limit: int, accept: str = "*/*") -> Iterator[urllib3.BaseHTTPResponse]:
    """Ask for an http(s) URL and yield the response, of status 200, whose body is to be read within the block.

    Proxies are taken from the environment. A redirect may not lead to an address that is not public (this host, a
    private network, a cloud's metadata), unless the URL that was given was of such an address itself. Behind a proxy,
    which looks names up by itself, only a host that is written as an address can be judged.

    Args:
        url: The address.
        deadline: Seconds for all of it, from the look-up of the name to the end of the block, redirects included.
        limit: Most bytes that the server may announce; who reads has to count, since it need not announce any.
        accept: What is wanted, as a list of media types.

    Raises:
        TransferError: It cannot be had within these bounds, or the block raised an error of the network.
    """
    guard = _Guard()
    try:
        with within(deadline, guard.check), ExitStack() as stack:
            here = _parsed(url)
            for _ in range(MAX_REDIRECTS + 1):
                response = _ask(here, guard, accept, stack)
                if response.status not in _REDIRECTS:
                    _check(response, limit)
                    yield response
                    return
                here = _next(here, response.headers.get("Location", ""))
                guard.redirected = True
            raise TransferError(f"more than {MAX_REDIRECTS} redirects")
    except TooLargeError as exc:
        raise TransferError(f"more than the limit of {limit:,} bytes") from exc
    except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError, UsageError) as exc:
        reason = f"not fetched within {deadline:g} s" if is_timeout(exc) else f"not fetched: {said(innermost(exc))}"
        raise TransferError(reason, passing=_is_passing(exc)) from exc


def _is_passing(exc: BaseException) -> bool:
    """Whether it is no fault of the address, of the certificate (Python makes that a ValueError too) or of the body."""
    causes = (exc, innermost(exc), *exc.args)
    return not any(isinstance(cause, (ValueError, urllib3.exceptions.DecodeError)) for cause in causes)


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
            raise TransferError(f"a redirect leads to {address}, which is not a public address")


def _ask(url: Url, guard: _Guard, accept: str, stack: ExitStack) -> urllib3.BaseHTTPResponse:
    """The response, which the stack closes."""
    host = str(url.host)
    proxy = proxy_for(str(url.scheme), host)
    guard.expect(host, proxied=proxy is not None)
    # A pool of its own: a connection that is kept would not be judged again.
    pool = stack.enter_context(open_pool(_tls() if url.scheme == "https" else None, proxy))
    headers = {"User-Agent": _AGENT, "Accept": accept}
    response = pool.request("GET", url.url, headers=headers, preload_content=False, redirect=False)
    return stack.enter_context(closing(response))


def _parsed(url: str) -> Url:
    parsed = parse_url(quote(url, safe=_KEPT))
    if parsed.auth:
        raise TransferError("the address holds a user name, which is not supported")
    return parsed._replace(fragment=None)


def _next(here: Url, location: str) -> Url:
    """Where a redirect leads; it may go from http to https, and nowhere else."""
    there = _parsed(urljoin(here.url, location))
    if there.scheme not in ("http", "https") or (here.scheme, there.scheme) == ("https", "http"):
        raise TransferError(f"a redirect leads from {here.scheme} to {there.scheme}, which is not followed")
    return there


@functools.cache
def _tls() -> ssl.SSLContext:
    """The system's list of authorities, which takes some 20 ms to read."""
    return ssl.create_default_context()


def _check(response: urllib3.BaseHTTPResponse, limit: int) -> None:
    if response.status != 200:
        passing = response.status in _PASSING or response.status >= 500
        reason = f"HTTP status {response.status}: {printable(response.reason or '')[:100]}"
        raise TransferError(reason, passing=passing, retry_after=retry_after(response))
    if (size := announced(response)) is not None and size > limit:
        raise TransferError(f"{size:,} bytes, more than the limit of {limit:,}")


def announced(response: urllib3.BaseHTTPResponse) -> int | None:
    """The size that the response announces, or None."""
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else None

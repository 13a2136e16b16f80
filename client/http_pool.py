"""urllib3 within bounds: pools whose connections keep the block's deadline, bodies of limited size, and what failed."""

from __future__ import annotations

import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tritonrepo.client.deadline import BoundedSocket, BoundedTlsSocket, connect
from tritonrepo.client.errors import UsageError
from tritonrepo.client.networks import Proxy

_CHUNK = 1 << 16
_LONGEST_REST = 3600.0


class TooLargeError(Exception):
    """A body is larger than its limit."""


class _Connection(HTTPConnection):
    def _new_conn(self) -> BoundedSocket:
        return connect(self._dns_host, self.port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> BoundedSocket:
        return connect(self._dns_host, self.port or 443)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def open_pool(tls: ssl.SSLContext | None, proxy: Proxy | None) -> urllib3.PoolManager:
    """Return a pool that tries once and follows no redirect. Use it within `deadline.within`.

    Args:
        tls: For https.
        proxy: Who is asked instead of the servers themselves.

    Raises:
        UsageError: The proxy is of a kind that urllib3 does not know, such as SOCKS.
    """
    if tls is not None:
        tls.sslsocket_class = BoundedTlsSocket
    settings: dict[str, Any] = {"maxsize": 64, "retries": False, "ssl_context": tls}
    pool = urllib3.PoolManager(**settings) if proxy is None else _proxied(proxy, settings)
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pool


def _proxied(proxy: Proxy, settings: dict[str, Any]) -> urllib3.PoolManager:
    user = urllib3.util.parse_url(proxy.url).auth
    headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
    try:
        return urllib3.ProxyManager(proxy.url, proxy_headers=headers, **settings)
    except urllib3.exceptions.ProxySchemeUnknown as exc:
        raise UsageError(f"${proxy.variable} names a proxy that is not an HTTP proxy: {exc}") from exc


def read_body(response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    """Return the whole body, decompressed, and give the connection back.

    Raises:
        TooLargeError: It has more than `limit` bytes once it is decompressed.
    """
    content = bytearray()
    try:
        while chunk := response.read1(_CHUNK, decode_content=True):
            content += chunk
            if len(content) > limit:
                raise TooLargeError
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(content)


def retry_after(response: urllib3.BaseHTTPResponse) -> float:
    """The seconds that a Retry-After header asks for, also by a date; 0 where it says nothing, and never for good."""
    value = response.headers.get("Retry-After", "")
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_REST)
    try:
        date = parsedate_to_datetime(value)
        return min(max(0.0, date.timestamp() - time.time()), _LONGEST_REST)
    except (ValueError, OverflowError):
        return 0.0


def is_timeout(exc: BaseException) -> bool:
    """Whether a failure of urllib3's is the deadline. For urllib3 a refused connection is a kind of timeout too."""
    return isinstance(innermost(exc), (TimeoutError, urllib3.exceptions.ReadTimeoutError))


def innermost(exc: BaseException) -> BaseException:
    """Return the failure that urllib3 has wrapped, most often an OSError."""
    for inner in (getattr(exc, "reason", None), getattr(exc, "original_error", None), *exc.args[1:], exc.__cause__):
        if isinstance(inner, BaseException):
            return innermost(inner)
    return exc

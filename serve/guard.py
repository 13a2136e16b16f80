"""A guard in front of tritonserver's HTTP: it reads every request, and passes on what `screening` lets through.

tritonserver itself then listens on a port of its own, on which every endpoint needs the key. The guard adds the key to
what everybody may ask. It has TLS, which tritonserver's HTTP lacks.
"""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from tritonrepo.client.server_key import HTTP_HEADER
from tritonrepo.repository.shortage import SHORTAGES
from tritonrepo.serve.door import Door
from tritonrepo.serve.endpoint import READY
from tritonrepo.serve.errors import PortTakenError
from tritonrepo.serve.screening import LARGEST_BODY, LOOPBACK, RefusedError, check_body, check_site, is_open, unpack

HEADER_SECONDS = 30.0
"""How long a connection may stay without a whole request header."""
BODY_SECONDS = 60.0
DRAIN_SECONDS = 30.0
"""How long requests in flight are waited for at the end."""
LARGE = 1 << 20
"""Bytes of a body from which on it is checked beside the loop, so that other requests do not wait."""
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-encoding"})
"""Headers of one connection (RFC 9110, 7.6.1), and the encoding of a body that is passed on decoded."""


class Guard:
    """The guard, in a thread of its own, as a context manager.

    Attributes:
        port: Where it listens.
    """

    def __init__(
        self,
        upstream: Callable[[], tuple[str, str]],
        door: Door,
        port: int,
        *,
        names: Collection[str] = (),
        ready: Callable[[], bool] | None = None,
    ) -> None:
        """Prepare a guard; entering it starts it.

        Args:
            upstream: Returns HOST:PORT and the key of tritonserver, asked for at each request, since both change when
                the server is started anew.
            door: Where it may be reached from, and with which encryption.
            port: A port; 0: a free one.
            names: The names by which others know this host, beside those that it knows of itself.
            ready: What `/v2/health/ready` answers instead of tritonserver's own.

        Raises:
            UsageError: The door's files cannot be used.
        """
        self.port = port
        self._upstream, self._door, self._ready = upstream, door, ready
        self._tls = door.context()
        own = () if door.local else (socket.gethostname(), socket.getfqdn())
        self._names = LOOPBACK | {name.lower() for name in (door.host, *own, *names)}
        self._idle: dict[object, float] = {}
        self._busy: set[object] = set()

    @property
    def url(self) -> str:
        """Where this host reaches it."""
        host = self._door.within
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> "Guard":
        """Listen.

        Raises:
            PortTakenError: The port is taken, or the address is none of this host's.
        """
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_heed)
        self._thread = threading.Thread(target=self._loop.run_forever, name="guard", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except OSError as error:
            self._end_thread()
            raise PortTakenError(self.port, self._door.host, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._end_thread()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_silent(),
            keepalive_timeout=HEADER_SECONDS,
            auto_decompress=False,
            shutdown_timeout=DRAIN_SECONDS,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._door.host, self.port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = int(self._runner.addresses[0][1])
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        self._watch = asyncio.create_task(self._close_idle())

    async def _stop(self) -> None:
        """Take no new connection, answer what is in flight, and end."""
        self._watch.cancel()
        await self._runner.cleanup()
        await self._session.close()

    async def _close_idle(self) -> None:
        """Close connections that send no whole header for too long."""
        while True:
            await asyncio.sleep(HEADER_SECONDS / 10)
            server = self._runner.server
            waiting = [x for x in (server.connections if server else ()) if x not in self._busy]
            now = time.monotonic()
            self._idle = {connection: self._idle.get(connection, now) for connection in waiting}
            for connection in waiting:
                if now - self._idle[connection] > HEADER_SECONDS:
                    connection.force_close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._busy.add(request.protocol)
        try:
            return await self._pass_on(request)
        except RefusedError as refused:
            return _error(refused.status, str(refused))
        except (aiohttp.ClientError, OSError):
            return _error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "tritonserver does not answer; it may be starting anew",
                {"Retry-After": "1"},
            )
        finally:
            self._busy.discard(request.protocol)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        check_site(request.headers, self._names)
        if request.path == READY and self._ready is not None:
            return web.Response(status=HTTPStatus.OK if self._ready() else HTTPStatus.SERVICE_UNAVAILABLE)
        body = await _read(request)
        if len(body) > LARGE or hdrs.CONTENT_ENCODING in request.headers:
            body = await asyncio.to_thread(_screen, request.headers, body)
        else:
            body = _screen(request.headers, body)
        address, key = self._upstream()
        headers = _passed(request.headers)
        if is_open(request.method, request.raw_path.partition("?")[0]):
            headers[HTTP_HEADER] = key
        url = URL(f"http://{address}{request.raw_path}", encoded=True)  # as it came: what it means is Triton's to say
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False
        ) as answer:
            content = await answer.read()
            return web.Response(status=answer.status, headers=_kept(answer.headers), body=content)


async def _read(request: web.Request) -> bytes:
    try:
        return await asyncio.wait_for(request.read(), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {BODY_SECONDS:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {LARGEST_BODY >> 20} MiB"
        ) from None


def _screen(headers: Mapping[str, str], body: bytes) -> bytes:
    """The body as it may pass on, unpacked. Raises `RefusedError`."""
    body = unpack(headers.get(hdrs.CONTENT_ENCODING, ""), body)
    check_body(headers, body)
    return body


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP | {"host", "content-length"}}


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP - {"content-encoding"}}


def _error(status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer as Triton words its own."""
    return web.json_response({"error": sentence}, status=status, headers=headers)


def _heed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave it to the supervisor to say that no more files may be opened: asyncio would show a stack each second."""
    error = context.get("exception")
    if not (isinstance(error, OSError) and error.errno in SHORTAGES):
        loop.default_exception_handler(context)


def _silent() -> logging.Logger:
    """A logger that keeps malformed requests to itself: the sender is told, and the screen is the user's."""
    logger = logging.getLogger(f"{__name__}.silent")
    logger.disabled = True
    return logger

"""The page's server: on 127.0.0.1 alone, and for no other site's pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tritonrepo.serve.ports import ADDRESS, bind
from tritonrepo.serve.screening import LOOPBACK, RefusedError, check_site
from tritonrepo.ui.page import Page
from tritonrepo.ui.panel import Panel

TITLE = "tritonrepo demo-ui"
LAST_MESSAGES = 100
"""To a tab, kept for when it was away for a moment; each may hold a picture."""
LAST_SECONDS = 1
"""That open tabs have when the server ends."""


class PageServer:
    """Serves the page. There can be one in a process: NiceGUI has one application.

    Args:
        panel: The models that are asked; closed when the server ends.
        port: A port of 127.0.0.1; 0: a free one.

    Raises:
        PortTakenError: The port is taken.
    """

    def __init__(self, panel: Panel, port: int) -> None:
        self._socket = bind(port)
        self._app = _make_app(panel)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{ADDRESS}:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        """Serve until a signal ends the process; the signal's handler then runs as if nothing had been served."""
        # The older of uvicorn's two WebSocket protocols stands on a deprecated part of `websockets`.
        config = uvicorn.Config(
            self._app,
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        with self._socket:
            uvicorn.Server(config).run(sockets=[self._socket])


def _make_app(panel: Panel) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            panel.close()

    def root() -> None:
        Page(panel)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    ui.run_with(
        app,
        root=root,
        title=TITLE,
        dark=None,
        tailwind=False,
        message_history_length=LAST_MESSAGES,
        show_welcome_message=False,
    )
    app.add_middleware(_Guard)
    return app


class _Guard:
    """Refuses what a page of another site makes a browser send: it could read the answers and drop pictures."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                check_site(Headers(scope=scope), LOOPBACK)
            except RefusedError as error:
                await _refuse(error, scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _refuse(error: RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": str(error)})
    else:
        await PlainTextResponse(str(error), error.status)(scope, receive, send)

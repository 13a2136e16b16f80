"""The page: a place to drop pictures, and below it what each model says of them, the newest pictures first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui
from nicegui.events import MultiUploadEventArguments

from tritonrepo.client.errors import ImageError, MissingError
from tritonrepo.client.images import to_rgb
from tritonrepo.client.pipeline import thumbnail
from tritonrepo.client.sources import Source
from tritonrepo.ui import views
from tritonrepo.ui.panel import Panel, Sight
from tritonrepo.ui.views import Picture

LARGEST_FILE = 64 << 20
"""Bytes: as much as `classify` fetches from an address."""
MOST_PICTURES = 100
"""On the page at once; the oldest go first."""


@dataclass
class _Dropped:
    """A picture on its way to the models; `source` is none where it is known that it has a problem."""

    picture: Picture
    source: Source | None
    shown: ui.html


class Page:
    """One tab's page; building it needs NiceGUI's context of a page.

    Args:
        panel: The models that are asked.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._turn = asyncio.Lock()
        ui.add_css(str(views.STYLE))
        with ui.element("main").classes("ui-page"):
            ui.html("<h1>What do the served models see?</h1>", sanitize=False)
            self._gone = ui.label().classes("ui-gone ui-wide")
            self._gone.visible = False
            self._models = ui.html(sanitize=False).classes("ui-wide")
            self._drop = ui.upload(
                label="Drop pictures here, or choose them with +",
                multiple=True,
                auto_upload=True,
                on_multi_upload=self._receive,
            )
            self._pictures = ui.element("div").classes("ui-wide ui-pictures")
        ui.timer(0, self._look, once=True)

    async def _look(self) -> Sight:
        """Show which models are ready now; where the server is gone, say so."""
        try:
            sight = await asyncio.to_thread(self._panel.look)
        except MissingError as exc:
            self._say_gone(str(exc))
            return Sight()
        if not self._pictures.is_deleted:
            self._gone.visible = False
            self._models.content = views.models(self._panel.url, sight)
        return sight

    def _say_gone(self, why: str) -> None:
        if not self._pictures.is_deleted:
            self._gone.text = f"{why}\nDrop a picture to try again."
            self._gone.visible = True

    async def _receive(self, event: MultiUploadEventArguments) -> None:
        """Show the pictures at once, then ask every model for one after the other."""
        self._drop.reset()
        dropped = []
        for number, file in enumerate(event.files):
            picture, source = Picture(file.name), None
            if file.size() > LARGEST_FILE:
                picture.problem = f"{file.size():,} bytes, more than the limit of {LARGEST_FILE:,}"
            else:
                source = Source(file.name, await file.read())
                await asyncio.to_thread(_open, picture, source)
            dropped.append(_Dropped(picture, None if picture.problem else source, self._show(picture, number)))
        async with self._turn:
            sight = await self._look()
            for one in dropped:
                await self._ask(one, sorted(sight.models))

    def _show(self, picture: Picture, place: int) -> ui.html:
        with self._pictures:
            shown = ui.html(picture.html(), sanitize=False).classes("ui-wide")
        shown.move(self._pictures, target_index=place)
        children = list(self._pictures)
        for old in children[MOST_PICTURES:]:
            old.delete()
        return shown

    async def _ask(self, dropped: _Dropped, models: Sequence[str]) -> None:
        picture, source = dropped.picture, dropped.source
        if source is None:
            return
        if not models:
            picture.problem = "no model could be asked"
        picture.models = models
        for model in models:
            if dropped.shown.is_deleted:  # the tab is closed
                return
            dropped.shown.content = picture.html()
            picture.opinions[model] = await asyncio.to_thread(self._panel.ask, model, source)
        if not dropped.shown.is_deleted:
            dropped.shown.content = picture.html()


def _open(picture: Picture, source: Source) -> None:
    """Make the thumbnail, or note why the picture cannot be used; within the client's limits."""
    try:
        picture.thumbnail = thumbnail(to_rgb(source.load()))
    except ImageError as exc:
        picture.problem = exc.reason

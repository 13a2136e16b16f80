"""The page: a place to drop pictures, and below it what each model says of them, the newest pictures first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui
from nicegui.elements.upload_files import FileUpload
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
"""On the page at once, and in one drop; the oldest go first."""


@dataclass
class _Dropped:
    """A picture on its way to the models; its file is read again then, since many do not fit into memory."""

    picture: Picture
    file: FileUpload
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
        if len(event.files) > MOST_PICTURES:
            left_out = f"{len(event.files) - MOST_PICTURES} files are left out: at most {MOST_PICTURES} at once"
            ui.notify(left_out, type="warning", timeout=0, close_button=True)
        dropped: list[_Dropped] = []
        for file in event.files[:MOST_PICTURES]:
            picture = await open_picture(file)
            if self._pictures.is_deleted:  # the tab is closed
                return
            dropped.append(_Dropped(picture, file, self._show(picture, len(dropped))))
        async with self._turn:
            sight = await self._look()
            for one in dropped:
                if not one.picture.problem:
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
        picture, shown = dropped.picture, dropped.shown
        if not models:
            picture.problem = "no model could be asked"
        picture.models = models
        source = Source(picture.name, await dropped.file.read())
        for model in models:
            if shown.is_deleted:
                return
            shown.content = picture.html()
            picture.opinions[model] = await asyncio.to_thread(self._panel.ask, model, source)
        if not shown.is_deleted:
            shown.content = picture.html()


async def open_picture(file: FileUpload) -> Picture:
    """The picture with its thumbnail, or why it cannot be used, within the client's limits."""
    picture = Picture(file.name)
    try:
        if file.size() > LARGEST_FILE:
            raise ImageError(f"{file.size():,} bytes, more than the limit of {LARGEST_FILE:,}")
        source = Source(file.name, await file.read())
        picture.thumbnail = await asyncio.to_thread(lambda: thumbnail(to_rgb(source.load())))
    except ImageError as exc:
        picture.problem = exc.reason
    return picture

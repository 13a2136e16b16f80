"""Results as one HTML page that needs nothing else: pictures, labels and bars, errors included."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from markupsafe import Markup

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import untrained_warning
from tritonrepo.client.results import Result
from tritonrepo.client.template import contents, environment
from tritonrepo.client.text import counted

_PACKAGE = "tritonrepo.client"
_TEMPLATES = environment(_PACKAGE)
_CARD, _PAGE = _TEMPLATES.get_template("card.html"), _TEMPLATES.get_template("gallery.html")
_CLASSES = _TEMPLATES.get_template("classes.html")
CARD_STYLE = contents(_PACKAGE, "card.css")
"""The style of cards."""
_PAGE_STYLE = contents(_PACKAGE, "gallery.css")
_SCRIPT = contents(_PACKAGE, "gallery.js")
_CHUNK = 1 << 16


def card(result: Result) -> str:
    """One result as an <article>; its style is the page's, or `standalone_card`'s."""
    picture = base64.b64encode(result.thumbnail).decode() if result.thumbnail else ""
    return _CARD.render(result=result, picture=picture, name=result.image.rstrip("/").rpartition("/")[2])


def classes(result: Result) -> Markup:
    """One result's classes with bars, or why there are none, as the inside of a card."""
    return Markup(_CLASSES.render(result=result))


def standalone_card(result: Result) -> str:
    """One result with its own style, the picture beside its predictions, for a notebook."""
    return f'<style>{CARD_STYLE}</style><div class="tc-beside">{card(result)}</div>'


class Gallery:
    """Writes the page as results come, in bounded memory; it is there, whole, when the block ends.

    with Gallery(Path("out.html"), contract) as gallery:
        gallery.add(result)

    When the block ends by an exception, the page holds what was added until then.

    Raises:
        UsageError: The file cannot be written.
    """

    def __init__(self, path: Path, contract: ModelContract) -> None:
        self._path = path
        self._contract = contract
        self._count = self._failed = 0
        try:
            self._cards: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - closed by __exit__
                "w+", encoding="utf-8", dir=path.parent
            )
        except OSError as exc:
            raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc

    def add(self, result: Result) -> None:
        """Put the result on the page."""
        self._count += 1
        self._failed += result.error is not None
        self._cards.write(f"{card(result)}\n")

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._cards:
            part = self._path.with_name(f"{self._path.name}.part")
            with part.open("w", encoding="utf-8") as page:
                page.writelines(self._page())
            part.replace(self._path)

    def _page(self) -> Iterator[str]:
        """The page in pieces, since all of it may be more than there is memory."""
        counts = counted(self._count, "image")
        if self._failed:
            counts += f", {self._failed:,} could not be classified"
        self._cards.seek(0)
        return _PAGE.generate(
            model=self._contract.name,
            counts=counts,
            warning=untrained_warning(self._contract),
            styles=_PAGE_STYLE + CARD_STYLE,
            script=_SCRIPT,
            cards=(Markup(piece) for piece in iter(lambda: self._cards.read(_CHUNK), "")),
        )

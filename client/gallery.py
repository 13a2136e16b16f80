"""Results as one HTML page that needs nothing else: pictures, labels and bars, errors included."""

from __future__ import annotations

import base64
import html
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import Prediction
from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import untrained_warning
from tritonrepo.client.results import Result
from tritonrepo.client.text import printable

_HERE = files("tritonrepo.client")
_CARD_STYLE = (_HERE / "card.css").read_text(encoding="utf-8")
_PAGE_STYLE = (_HERE / "gallery.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "gallery.js").read_text(encoding="utf-8")
# Forbids the page whatever it does not carry itself, should a label or a file name ever slip through the escaping.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def card(result: Result) -> str:
    """One result as an <article>; its style is the page's, or `standalone_card`'s."""
    name = _escape(result.image)
    last = _escape(result.image.rstrip("/").rpartition("/")[2])
    picture = _picture(result.thumbnail) if result.thumbnail else "no picture"
    text = (
        f'<div class="tc-error">{_escape(result.error)}</div>'
        if result.error is not None
        else f"<ol>{''.join(map(_line, result.predictions))}</ol>"
    )
    return (
        f'<article class="tc-card"><div class="tc-picture">{picture}</div>'
        f'<div class="tc-text"><div class="tc-name" title="{name}">{last}</div>{text}</div></article>\n'
    )


def standalone_card(result: Result) -> str:
    """One result with its own style, the picture beside its predictions, for a notebook."""
    return f'<style>{_CARD_STYLE}</style><div class="tc-beside">{card(result)}</div>'


def _picture(thumbnail: bytes) -> str:
    return f'<img alt="" decoding="async" src="data:image/webp;base64,{base64.b64encode(thumbnail).decode()}">'


def _line(prediction: Prediction) -> str:
    if prediction.probability is None:
        share, value = 0.0, f"{prediction.score:.4g}"
    else:
        share, value = prediction.probability, f"{prediction.probability:.1%}"
    label = _escape(prediction.label)
    return f'<li><i style="width:{share:.2%}"></i><span title="{label}">{label}</span><span>{value}</span></li>'


def _escape(text: str) -> str:
    return html.escape(printable(text))


class Gallery:
    """Writes the page as results come, in bounded memory; it is there, whole, when the block ends.

    with Gallery(Path("out.html"), contract) as gallery:
        gallery.add(result)

    When the block ends by an exception, the page holds what was added until then. Raises UsageError when the file
    cannot be written.
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
        self._count += 1
        self._failed += result.error is not None
        self._cards.write(card(result))

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._cards:
            part = self._path.with_name(f"{self._path.name}.part")
            with part.open("w", encoding="utf-8") as page:
                page.write(self._head())
                self._cards.seek(0)
                shutil.copyfileobj(self._cards, page)
                page.write('</main><p class="none" hidden>Nothing to show.</p>')
                page.write(f"<script>{_SCRIPT}</script></body></html>\n")
            part.replace(self._path)

    def _head(self) -> str:
        name = _escape(self._contract.name)
        warning = untrained_warning(self._contract)
        counts = f"{self._count:,} image{'s' if self._count != 1 else ''}"
        if self._failed:
            counts += f", {self._failed:,} could not be classified"
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
            f"<title>{name}: {counts}</title><style>{_PAGE_STYLE}{_CARD_STYLE}</style></head><body>"
            f"<header><h1>{name}</h1><p>{counts}</p>"
            '<label><input type="checkbox" id="failed"> failures only</label>'
            '<input type="search" id="words" placeholder="Filter by label or name" aria-label="Filter"></header>'
            + (f'<p class="warning">{_escape(warning)}</p>' if warning else "")
            + "<main>\n"
        )

"""The page's parts as HTML; whatever is put into them is escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from tritonrepo.client.gallery import CARD_STYLE, classes
from tritonrepo.client.records import untrained_warning
from tritonrepo.client.template import contents, environment
from tritonrepo.ui.panel import Opinion, Sight
from tritonrepo.ui.verdict import dissent, sentence

_PACKAGE = "tritonrepo.ui"
_TEMPLATES = environment(_PACKAGE)
_PICTURE, _MODELS = _TEMPLATES.get_template("picture.html"), _TEMPLATES.get_template("models.html")
STYLE = CARD_STYLE + contents(_PACKAGE, "page.css")


@dataclass
class Picture:
    """A picture on the page.

    Attributes:
        name: The file's.
        thumbnail: A small WebP picture; none where the file is none.
        problem: Why no model is asked.
        models: Those that are asked, in the order in which they are shown.
        opinions: What they have said so far.
    """

    name: str
    thumbnail: bytes | None = None
    problem: str = ""
    models: Sequence[str] = ()
    opinions: dict[str, Opinion] = field(default_factory=dict)

    def html(self) -> str:
        """The picture beside its answers; models that have not answered yet are shown as asked."""
        opinions = list(self.opinions.values())
        done = len(opinions) == len(self.models)
        return _PICTURE.render(
            picture=self,
            source=base64.b64encode(self.thumbnail).decode() if self.thumbnail else "",
            verdict=sentence(opinions) if done and opinions else "",
            differing=dissent(opinions) if done else frozenset(),
            classes=classes,
        )


def models(url: str, sight: Sight) -> str:
    """What the server has, and the warnings that belong above the results."""
    warnings = [warning for contract in sight.models.values() if (warning := untrained_warning(contract))]
    return _MODELS.render(url=url, sight=sight, warnings=warnings)

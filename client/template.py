"""HTML templates: what goes into them is escaped, and safe to show."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tritonrepo.client.text import printable


def environment(package: str) -> Environment:
    """The templates among a package's files, which may include one another."""
    return Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def contents(package: str, name: str) -> Markup:
    """A style or a script of ours, for a page that has it inside."""
    return Markup((files(package) / name).read_text(encoding="utf-8"))


def _safe(value: object) -> str:
    """Names may hold control characters; what is markup already is left alone."""
    return value if isinstance(value, Markup) else printable(str(value))

"""The report as one HTML page that needs nothing else: what to take first, then plots, then all the figures."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from markupsafe import escape

from tritonrepo.client.template import contents, environment
from tritonrepo.compare.judgement import Judgement
from tritonrepo.compare.report import Report
from tritonrepo.compare.views.grids import TIME, agreement_grid, change_grid, differing_grids, speed_grid, time_grid
from tritonrepo.compare.views.words import method, untrained_words

_PACKAGE = "tritonrepo.compare.views"
_STYLE = contents(_PACKAGE, "page.css")
# Forbids the page whatever it does not carry itself.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CAPTIONS = {
    "latency-throughput": (
        "Latency against throughput",
        "Right and low is good. No other configuration{budget} beats a circled one in both.",
    ),
    "percentiles": ("Latency percentiles by batch size", "Of whole requests, under the lightest load."),
    "server-time": ("Where the server's time goes", "Averages of a request: waiting in the queue, and computing."),
}


@dataclass(frozen=True)
class _Figure:
    """A plot with its caption; `source` is a data: URL."""

    title: str
    words: str
    source: str


def page(report: Report, judgement: Judgement, plots: Mapping[str, bytes]) -> str:
    """The page as HTML.

    Args:
        report: The run.
        judgement: What it says.
        plots: SVG by name, as `compare.views.plots` draws them; may be empty.
    """
    changed = [change for change in judgement.changes if change.significant]
    return _TEMPLATE.render(
        report=report,
        judgement=judgement,
        policy=_POLICY,
        style=_STYLE,
        subtitle=_subtitle(report),
        untrained=untrained_words(report),
        figures=list(_figures(plots, judgement)),
        changed=change_grid(changed) if judgement.changes else None,
        everything=change_grid(judgement.changes),
        speed=speed_grid(report, judgement),
        time=time_grid(report, judgement, (*TIME, "requests")),
        agreement=agreement_grid(report, judgement),
        differing=list(differing_grids(report)),
        method=method(report),
        facts=list(_facts(report)),
        models=escape(json.dumps([asdict(model) for model in report.models], indent=1)),
    )


def _subtitle(report: Report) -> str:
    machine = report.machine
    gpus = "; ".join(machine.gpus) or "no GPU"
    return (
        f"{report.created[:16].replace('T', ' ')} · {machine.cpu}, {machine.threads} threads, {gpus} · "
        f"Triton {report.server.version or '?'} · load by {report.engine} ({report.engine_version})"
    )


def _figures(plots: Mapping[str, bytes], judgement: Judgement) -> Iterator[_Figure]:
    budget = "" if judgement.criteria.latency_budget is None else " within the budget"
    for name, svg in plots.items():
        title, words = _CAPTIONS[name]
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
        yield _Figure(title, words.format(budget=budget), source)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    machine, server = report.machine, report.server
    yield "Machine", f"{machine.cpu}, {machine.cores} cores, {machine.threads} threads, {machine.memory} GiB"
    yield "GPU", "; ".join(machine.gpus) or "none"
    yield "System", machine.system
    yield "Server", f"{server.name or '?'} {server.version or '?'} at {report.conditions.url}"
    yield "Client", ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    yield "Python", machine.python
    for model in report.models:
        yield model.name, f"{model.backend}, version {', '.join(model.versions)}"


_TEMPLATE = environment(_PACKAGE).get_template("page.html", globals={"zip": zip})

"""The report as one HTML page that needs nothing else: what to take first, then plots, then all the figures."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from tritonrepo.client.text import printable
from tritonrepo.compare.baseline import Change
from tritonrepo.compare.cells import PERCENTILES, Cell
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.decision import cost_per_thousand, problems, sentences
from tritonrepo.compare.report import Report, executed
from tritonrepo.compare.tables import class_name, signed, verdict_of
from tritonrepo.compare.words import (
    BRACKETS,
    load_title,
    marks,
    milliseconds,
    percentile_text,
    shared_words,
    short_load,
    short_names,
    with_limits,
)

_STYLE = (files("tritonrepo.compare") / "page.css").read_text(encoding="utf-8")
# Forbids the page whatever it does not carry itself.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CAPTIONS = {
    "latency-throughput": (
        "Latency against throughput",
        "Right and low is good. The circled points are those that no other beats in both.",
    ),
    "percentiles": ("Latency percentiles by batch size", "Of whole requests, under the lightest load."),
    "server-time": ("Where the server's time goes", "Averages of a request: waiting in the queue, and computing."),
}


def write_page(
    path: Path,
    report: Report,
    criteria: Criteria,
    plots: Mapping[str, bytes],
    changes: Sequence[Change] = (),
    threshold: float | None = None,
) -> None:
    """`plots`: SVG by name."""
    sections = [
        _verdict(report, criteria),
        _problems(problems(report, criteria)),
        _untrained(report),
        _plots(plots),
        _change_section(changes, threshold),
        _cell_section(report, criteria),
        _agreement_section(report, criteria),
        _method(report),
        _origin(report),
    ]
    head = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
        f"<title>Backend comparison, {_text(report.created[:10])}</title><style>{_STYLE}</style></head><body>"
        f'<h1>Backend comparison</h1><p class="meta">{_text(_subtitle(report))}</p>'
    )
    part = path.with_name(f"{path.name}.part")
    part.write_text(f"{head}{''.join(sections)}</body></html>\n", encoding="utf-8")
    part.replace(path)


def _text(text: object) -> str:
    return html.escape(printable(str(text)))


def _subtitle(report: Report) -> str:
    machine = report.machine
    gpus = "; ".join(machine["gpus"]) or "no GPU"
    return (
        f"{report.created[:16].replace('T', ' ')} · {machine['cpu']}, {machine['threads']} threads, {gpus} · "
        f"Triton {report.server.get('version', '?')} · load by {report.engine} ({report.engine_version})"
    )


def _verdict(report: Report, criteria: Criteria) -> str:
    return f'<div class="verdict">{"".join(f"<p>{_text(one)}</p>" for one in sentences(report, criteria))}</div>'


def _problems(found: Sequence[str]) -> str:
    if not found:
        return ""
    return (
        f'<div class="problems"><b>What is wrong</b><ul>{"".join(f"<li>{_text(one)}</li>" for one in found)}</ul></div>'
    )


def _untrained(report: Report) -> str:
    if not report.untrained:
        return ""
    names = _text(", ".join(report.untrained))
    return f'<p class="warning">The weights of {names} are untrained: speed is as it is, labels mean nothing.</p>'


def _plots(plots: Mapping[str, bytes]) -> str:
    return f'<div class="plots">{"".join(_figure(name, svg) for name, svg in plots.items())}</div>' if plots else ""


def _figure(name: str, svg: bytes) -> str:
    title, words = _CAPTIONS[name]
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return (
        f"<figure><figcaption>{_text(title)}<span>{_text(words)}</span></figcaption>"
        f'<img alt="{_text(title)}" src="{source}"></figure>'
    )


def _table(columns: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    """`rows`: the class of the row, and its cells as HTML."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(
        f'<tr class="{style}">{"".join(f"<td>{value}</td>" for value in values)}</tr>' for style, values in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell_section(report: Report, criteria: Criteria) -> str:
    said, names = marks(report, criteria), short_names(report.models_of_cells)
    columns = ["Model", "Batch", load_title(report.cells).capitalize(), "", "Images/s", "Average, ms", "Std"]
    columns += [f"p{percent}" for percent in PERCENTILES]
    columns += ["Queue", "Input", "Infer", "Output", "Executed", "Client CPU", "Server MiB"]
    columns += ["Cost of 1,000"] if criteria.price is not None else []
    columns += ["Requests"]
    rows, load = [], None
    for cell in report.cells:
        style = "best" if "best" in said[cell.setting] else ""
        if cell.setting.key[1:] != load:
            style, load = f"{style} first", cell.setting.key[1:]
        rows.append((style.strip(), _cell_row(cell, names[cell.setting.model], criteria, said[cell.setting])))
    shared = shared_words(report.models_of_cells)
    heading = f"All cells of {_text(shared)}…" if shared else "All cells"
    return f"<h2>{heading}</h2>{_table(columns, rows)}"


def _cell_row(cell: Cell, name: str, criteria: Criteria, said: Sequence[str]) -> list[str]:
    good = [word for word in said if word in ("best", "Pareto")]
    bad = [word for word in said if word not in ("best", "Pareto")]
    notes = f'<span class="good">{_text(" ".join(good))}</span> <span class="bad">{_text(", ".join(bad))}</span>'
    row = [_text(name), str(cell.setting.batch_size), short_load(cell.setting), notes]
    if not cell.measured:
        return row + ["-"] * (len(PERCENTILES) + 11 + (criteria.price is not None))
    split = cell.split
    parts = (split.queue, split.compute_input, split.compute_infer, split.compute_output) if split else (None,) * 4
    row += [with_limits(cell.images_per_second), with_limits(cell.average), milliseconds(cell.standard_deviation)]
    row += [percentile_text(cell, percent) for percent in PERCENTILES]
    row += [*map(milliseconds, parts), executed(split) or "-"]
    row.append("-" if cell.client_cpu is None else f"{cell.client_cpu:.2f}")
    row.append("-" if cell.server_memory is None else f"{cell.server_memory:,.0f}")
    row += [f"{cost_per_thousand(cell, criteria.price):.3g}"] if criteria.price is not None else []
    return [*row, f"{cell.requests:,}"]


def _change_section(changes: Sequence[Change], threshold: float | None) -> str:
    """First what changed, then all of it to unfold."""
    if not changes:
        return ""
    changed = [change for change in changes if change.significant]
    words = f"{len(changed)} of {len(changes)} figures differ by more than chance."
    return (
        f'<h2>Change since the baseline</h2><p class="note">{words}</p>'
        f"{_change_table(changed, threshold) if changed else ''}"
        f"<details><summary>All figures</summary>{_change_table(changes, threshold)}</details>"
    )


def _change_table(changes: Iterable[Change], threshold: float | None) -> str:
    columns = ("Model", "Batch", "Load", "Figure", "Before", "Now", "Change (95% interval)", "p", "")
    return _table(columns, (("", _change_row(change, threshold)) for change in changes))


def _change_row(change: Change, threshold: float | None) -> tuple[str, ...]:
    verdict, colour = verdict_of(change, threshold)
    style = {"red": "bad", "green": "good"}.get(colour, "")
    return (
        *(_text(change.setting.model), str(change.setting.batch_size), short_load(change.setting)),
        *(change.metric, milliseconds(change.before), milliseconds(change.after), signed(change.relative)),
        *(f"{change.p_value:.2g}", f'<span class="{style}">{verdict}</span>'),
    )


def _agreement_section(report: Report, criteria: Criteria) -> str:
    if not report.agreements:
        return ""
    columns = ("Model", "Against", "Worst Δ probability", "Mean", "Top-1", "Top-5", "Images", "")
    rows = []
    for one in report.agreements:
        fine = one.within(criteria.tolerance)
        verdict = f'<span class="{"good" if fine else "bad"}">{"agrees" if fine else "disagrees"}</span>'
        figures = (f"{one.worst_difference:.1e}", f"{one.mean_difference:.1e}", f"{one.top1:.1%}", f"{one.top5:.1%}")
        rows.append(("", (_text(one.model), _text(one.reference), *figures, str(one.images), verdict)))
    return f"<h2>Agreement</h2>{_table(columns, rows)}{_differing(report)}"


def _differing(report: Report) -> str:
    rows = [
        (
            "",
            (
                _text(image.image),
                _text(one.model),
                _text(class_name(report, image.reference_class)),
                _text(class_name(report, image.model_class)),
                f"{image.difference:.1e}",
            ),
        )
        for one in report.agreements
        for image in one.differing
    ]
    if not rows:
        return '<p class="note">Every model gives every image the same first class.</p>'
    columns = ("Image", "Model", "Reference's first class", "Model's", "Δ probability")
    return f"<h2>Images on which they differ</h2>{_table(columns, rows)}"


def _method(report: Report) -> str:
    return f'<h2>How it was measured</h2><p class="note">{_text(method(report))}</p>'


def method(report: Report) -> str:
    """The conditions in words."""
    given = report.conditions
    loop = (
        "An open loop sent requests by a schedule, and latency counts from when a request was due."
        if any(cell.setting.request_rate is not None for cell in report.cells)
        else "A closed loop kept so many requests in flight."
    )
    return (
        f"{loop} After a warm-up until stable, {given['windows']} or more windows of at least {given['window']:g} s "
        "for each cell, in rounds over all the cells with the models next to each other, so that a drift of the "
        "machine hits all alike. Intervals are 95%, by Student's t over the windows. A cell is stable if its last "
        f"three windows are within {given['stability']:.0%} of each other in throughput and in average latency. Failed "
        f"requests are counted and in no other figure. {BRACKETS} The {given['images']} images are "
        f"{'generated noise' if given['generated'] else 'real'}, sent over {given['protocol']}, the same for every "
        f"model. The run took {report.duration / 60:.1f} minutes."
    )


def _origin(report: Report) -> str:
    machine = report.machine
    facts: list[tuple[str, Any]] = [
        (
            "Machine",
            f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, {machine['memory']} GiB",
        ),
        ("GPU", "; ".join(machine["gpus"]) or "none"),
        ("System", machine["system"]),
        (
            "Server",
            f"{report.server.get('name', '?')} {report.server.get('version', '?')} at {report.conditions['url']}",
        ),
        ("Client", ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())),
        ("Python", machine["python"]),
    ]
    facts += [(model["name"], f"{model['backend']}, version {', '.join(model['versions'])}") for model in report.models]
    listed = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts)
    everything = html.escape(json.dumps(list(report.models), indent=1))
    return (
        f"<h2>Machine and models</h2><dl>{listed}</dl>"
        f"<details><summary>The models' configurations and manifests</summary><pre>{everything}</pre></details>"
    )

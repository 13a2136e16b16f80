"""The commands `compare` and `report`: from their words to measurements, files and an exit status."""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from tritonrepo.client.connection import Connection
from tritonrepo.client.contract import ModelContract, read_contract, read_labels
from tritonrepo.client.errors import (
    ContractError,
    ModelUnavailableError,
    ServerUnavailableError,
    TritonRepoError,
    UsageError,
)
from tritonrepo.client.text import printable
from tritonrepo.client.transport import ModelStatus, Transport, open_transport
from tritonrepo.compare import agreement, baseline, machine
from tritonrepo.compare.agreement import Agreement
from tritonrepo.compare.baseline import Change
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.decision import problems
from tritonrepo.compare.inputs import Inputs, prepare
from tritonrepo.compare.measure import Engine, Plan, Run, settings
from tritonrepo.compare.page import write_page
from tritonrepo.compare.perf_analyzer import PerfAnalyzer, find_program
from tritonrepo.compare.python_engine import PythonEngine
from tritonrepo.compare.readme import replace_section, section
from tritonrepo.compare.report import Report, as_json, csv_lines, read_json, write_csv, write_json
from tritonrepo.compare.tables import change_table, signed, tables

EXIT_DONE, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 130


class PlotsMissingError(TritonRepoError):
    """matplotlib is not installed."""

    exit_status = 3


def compare(args: argparse.Namespace, connection: Connection, console: Console) -> int:
    """Measure, write, print. Raises TritonRepoError where nothing could be measured."""
    if "," in args.url:
        raise UsageError("compare measures one server; give one --url")
    if args.shared_memory:
        raise UsageError("compare sends its images with the requests, as the users do; leave out --shared-memory")
    plan = Plan(args.window, args.windows, max(args.windows, args.max_windows), args.stability)
    before = read_json(args.baseline) if args.baseline else None
    _check_words(args)
    transport = open_transport(args.url, connection)
    try:
        report = _measure(args, transport, connection, plan)
    finally:
        transport.close()
    return _conclude(args, report, before, console)


def report(args: argparse.Namespace, console: Console) -> int:
    """Draw a stored run again, against other criteria or another baseline."""
    _check_words(args)
    before = read_json(args.baseline) if args.baseline else None
    stored = read_json(args.run_file)
    if args.readme:
        replace_section(args.readme, section(stored, criteria(args), args.run_file))
    return _conclude(args, stored, before, console)


def criteria(args: argparse.Namespace) -> Criteria:
    return Criteria(args.latency_budget_ms, args.price_per_hour, args.tolerance, args.max_slowdown)


# measuring


def _measure(args: argparse.Namespace, transport: Transport, connection: Connection, plan: Plan) -> Report:
    began, clock = datetime.now().astimezone(), time.monotonic()
    server = transport.server()
    contracts, lost = _contracts(transport, args.models, args.reference)
    sizes = _batch_sizes(args.batch_sizes, contracts, lost)
    reference = contracts[next(iter(contracts))]
    inputs = prepare(args.images, reference.preprocessing, max(sizes))
    agreements, labels = _agreements(transport, contracts, inputs, lost)
    models = tuple(machine.describe_model(transport, contract, args.repository) for contract in contracts.values())
    wanted = [
        setting
        for setting in settings(list(contracts), sizes, args.concurrency, args.request_rate)
        if setting.batch_size <= contracts[setting.model].max_batch_size
    ]
    with ExitStack() as stack:
        engine = _engine(args, transport, connection, contracts, inputs, stack)
        run = Run(engine, transport, wanted, plan)
        interrupted = _run(run)
    return Report(
        created=began.isoformat(timespec="seconds"),
        duration=time.monotonic() - clock,
        engine=engine.name,
        engine_version=engine.version,
        reference=reference.name,
        conditions=_conditions(args, plan, connection, transport.url, inputs),
        machine=asdict(machine.describe_machine()),
        server={key: server.get(key) for key in ("name", "version", "extensions")},
        models=models,
        cells=tuple(run.cells),
        agreements=tuple(agreements),
        lost=lost,
        labels=labels,
        interrupted=interrupted,
    )


def _conditions(
    args: argparse.Namespace, plan: Plan, connection: Connection, url: str, inputs: Inputs
) -> dict[str, Any]:
    return {
        **asdict(plan),
        "protocol": connection.protocol,
        "compression": connection.compression,
        "url": url,
        "images": len(inputs.names),
        "generated": inputs.generated,
        "image_names": list(inputs.names),
        "distribution": args.distribution if args.request_rate else None,
    }


def _contracts(
    transport: Transport, words: str, reference: str | None
) -> tuple[dict[str, ModelContract], dict[str, str]]:
    """What can be compared, the reference first, and what cannot -> why.

    Raises UsageError for a name that the server does not know, ModelUnavailableError when nothing is left.
    """
    statuses = transport.models()
    names = _wanted(statuses, words)
    if reference is not None:
        if reference not in names:
            raise UsageError(f"the reference {reference} is not among the models: {', '.join(names)}")
        names = [reference, *(name for name in names if name != reference)]
    contracts: dict[str, ModelContract] = {}
    lost: dict[str, str] = {}
    labels: tuple[str, ...] = ()
    for name in names:
        try:
            contract = _ready_contract(transport, statuses, name)
            if contracts:
                _same_contract(contract, next(iter(contracts.values())), read_labels(transport, contract), labels)
            else:
                labels = read_labels(transport, contract)
            contracts[name] = contract
        except ServerUnavailableError:
            raise
        except TritonRepoError as exc:
            if name == reference:
                raise
            lost[name] = str(exc)
    if not contracts:
        raise ModelUnavailableError(_nothing_ready(lost))
    return contracts, lost


def _nothing_ready(lost: dict[str, str]) -> str:
    if not lost:
        return "no model is ready on this server: export one with `python -m export`"
    return "no model can be measured. " + " ".join(f"{name}: {reason}." for name, reason in lost.items())


def _wanted(statuses: Sequence[ModelStatus], words: str) -> list[str]:
    """With `all`: those that are ready, and those that failed to load. Triton also lists what nobody loaded."""
    known = sorted({status.name for status in statuses})
    if words != "all":
        names = list(dict.fromkeys(words.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(f"not on this server: {', '.join(unknown)}. It has: {', '.join(known) or 'no model'}")
        return names
    tried = {status.name for status in statuses if status.ready or status.reason not in ("", "unloaded")}
    return sorted(tried)


def _ready_contract(transport: Transport, statuses: Sequence[ModelStatus], name: str) -> ModelContract:
    versions = [status for status in statuses if status.name == name]
    if not any(status.ready for status in versions):
        reason = next((status.reason for status in versions if status.reason), "not loaded")
        raise ModelUnavailableError(f"not ready ({reason})")
    return read_contract(transport, name)


def _same_contract(
    contract: ModelContract, reference: ModelContract, labels: Sequence[str], expected: Sequence[str]
) -> None:
    """Raises ContractError saying in what they differ: images for the one would be wrong for the other."""
    if contract.preprocessing != reference.preprocessing:
        raise ContractError(f"it prepares its images otherwise than {reference.name}")
    if contract.classes != reference.classes:
        raise ContractError(f"it has {contract.classes} classes, {reference.name} has {reference.classes}")
    for index, (label, other) in enumerate(zip(labels, expected, strict=True)):
        if label != other:
            raise ContractError(f"its class {index} is {label!r}, that of {reference.name} is {other!r}")


def _batch_sizes(sizes: Sequence[int], contracts: Mapping[str, ModelContract], lost: dict[str, str]) -> list[int]:
    """Those that a model can take. Raises UsageError for one that none can."""
    for size in sizes:
        too_small = [c for c in contracts.values() if c.max_batch_size < size]
        if len(too_small) == len(contracts):
            raise UsageError(
                f"batch size {size}: {too_small[0].name} takes at most {too_small[0].max_batch_size} at once"
            )
        for contract in too_small:
            lost[f"{contract.name}, batch {size},"] = f"it takes at most {contract.max_batch_size} at once"
    return list(dict.fromkeys(sizes))


def _agreements(
    transport: Transport, contracts: dict[str, ModelContract], inputs: Inputs, lost: dict[str, str]
) -> tuple[list[Agreement], dict[int, str]]:
    """Every model against the first; one that does not answer is lost. With the labels that differing images need."""
    names = list(contracts)
    expected = agreement.answers(transport, contracts[names[0]], inputs)
    found = []
    for name in names[1:]:
        try:
            got = agreement.answers(transport, contracts[name], inputs)
        except ServerUnavailableError:
            raise
        except TritonRepoError as exc:
            lost[name] = str(exc)
            del contracts[name]
        else:
            found.append(agreement.compare(name, names[0], inputs.names, got, expected))
    differing = [image for one in found for image in one.differing]
    indices = {index for image in differing for index in (image.reference_class, image.model_class)}
    labels = read_labels(transport, contracts[names[0]]) if indices else ()
    return found, {index: labels[index] for index in sorted(indices)}


def _engine(
    args: argparse.Namespace,
    transport: Transport,
    connection: Connection,
    contracts: dict[str, ModelContract],
    inputs: Inputs,
    stack: ExitStack,
) -> Engine:
    memory = machine.server_memory_reader(transport.url)
    if args.engine == "python":
        return PythonEngine(transport, contracts, inputs, args.distribution, memory)
    if connection.tls or connection.headers or connection.compression:
        raise UsageError("perf_analyzer is not given TLS, headers or compression; take --engine python for them")
    program = find_program(args.perf_analyzer)
    return stack.enter_context(
        PerfAnalyzer(program, transport, connection.protocol, contracts, inputs, args.distribution, memory)
    )


def _run(run: Run) -> bool:
    """With a progress bar on a terminal. Whether it was interrupted: what was measured until then is not lost."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    terminal = Console(stderr=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("", total=run.steps)

        def on_step(what: str) -> None:
            done = bar.tasks[0].completed
            bar.update(task, advance=1, description=printable(what), total=max(run.steps, done + 1))

        try:
            run.measure(on_step)
        except KeyboardInterrupt:
            if not any(cell.measured for cell in run.cells):
                raise
            return True
    return False


# reporting


def _conclude(args: argparse.Namespace, report: Report, before: Report | None, console: Console) -> int:
    """Print and write; the exit status. Raises ModelUnavailableError if there is nothing to report."""
    if not report.measured_models:
        reasons = {str(cell.setting): cell.error or "" for cell in report.cells}
        raise ModelUnavailableError(_nothing_ready({**report.lost, **reasons}))
    wanted = criteria(args)
    changes = baseline.changes(before, report) if before else []
    if args.output:
        _write(args, report, wanted, changes)
    _print(args, report, wanted, before, changes, console)
    failed = bool(problems(report, wanted)) or bool(_regressions(args, changes))
    return EXIT_INTERRUPTED if report.interrupted else EXIT_SOME_FAILED if failed else EXIT_DONE


def _regressions(args: argparse.Namespace, changes: Sequence[Change]) -> list[Change]:
    threshold = args.fail_on_regression
    return [] if threshold is None else [change for change in changes if change.is_regression(threshold)]


def _print(
    args: argparse.Namespace,
    report: Report,
    wanted: Criteria,
    before: Report | None,
    changes: Sequence[Change],
    console: Console,
) -> None:
    if args.format == "json":
        console.out(as_json(report), end="")
    elif args.format == "csv":
        console.out("\n".join(csv_lines(report.cells)))
    else:
        _print_tables(args, report, wanted, before, changes, console)


def _print_tables(
    args: argparse.Namespace,
    report: Report,
    wanted: Criteria,
    before: Report | None,
    changes: Sequence[Change],
    console: Console,
) -> None:
    if report.untrained:
        console.print(Text(f"The weights of {', '.join(report.untrained)} are untrained: their labels mean nothing."))
    if before:
        for caveat in baseline.caveats(before, report):
            console.print(Text(printable(caveat), style="yellow"))
        console.print(change_table(changes, args.fail_on_regression))
    for table in tables(report, wanted):
        console.print(table)
    for change in _regressions(args, changes):
        words = f"- {change.setting}: {change.metric} {signed(change.relative)}, a regression"
        console.print(Text(printable(words), style="red"))
    if args.output:
        console.print(Text(f"Written to {printable(str(args.output))}", style="dim"))


# files


def _check_words(args: argparse.Namespace) -> None:
    """Before an hour's measurement, not after it. Raises PlotsMissingError, UsageError."""
    if args.fail_on_regression is not None and not args.baseline:
        raise UsageError("--fail-on-regression needs a --baseline to compare with")
    if args.output and not args.no_plots and importlib.util.find_spec("matplotlib") is None:
        raise PlotsMissingError(
            "the plots need matplotlib: python -m pip install 'triton-repository-builder[report]'. "
            "Without them: --no-plots"
        )


def _write(args: argparse.Namespace, report: Report, wanted: Criteria, changes: Sequence[Change]) -> None:
    args.output.mkdir(parents=True, exist_ok=True)
    write_json(report, args.output / "compare.json")
    write_csv(report, args.output / "compare.csv")
    images: dict[str, bytes] = {}
    if not args.no_plots:
        from tritonrepo.compare import plots

        figures = plots.draw(report, wanted)
        images = {name: plots.as_svg(figure, name) for name, figure in figures.items()}
        for name, figure in figures.items():
            plots.write_png(figure, args.output / f"{name}.png")
    write_page(args.output / "report.html", report, wanted, images, changes, args.fail_on_regression)

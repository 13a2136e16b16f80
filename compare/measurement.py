"""From a plan and a server to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from tritonrepo.client.connection import Connection, implied_connection
from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import ServerUnavailableError, TritonRepoError, UsageError
from tritonrepo.client.transport import Transport, open_transport
from tritonrepo.compare import agreement, machine
from tritonrepo.compare.agreement import Agreement
from tritonrepo.compare.candidates import Candidates, find_candidates
from tritonrepo.compare.cells import Cell, Setting
from tritonrepo.compare.engine import Engine
from tritonrepo.compare.inputs import Inputs, prepare
from tritonrepo.compare.perf_analyzer import PerfAnalyzer, Program, find_program
from tritonrepo.compare.plan import Plan
from tritonrepo.compare.python_engine import PythonEngine
from tritonrepo.compare.report import Conditions, Report
from tritonrepo.compare.rounds import Progress, Run, settings


def measure(
    plan: Plan,
    url: str = "localhost",
    connection: Connection | None = None,
    progress: Progress = lambda step: None,
) -> Report:
    """Measure the models of one server.

    An interruption (KeyboardInterrupt) while the load runs is no error once there are figures: the report then holds
    what was measured until then.

    Args:
        plan: What to measure.
        url: The server's HOST:PORT, or http://HOST:PORT.
        connection: How to talk to it; None: what the address says, else gRPC without TLS.
        progress: Is called before each warm-up and each window.

    Raises:
        UsageError: The plan does not fit this server, or an image is none.
        TritonRepoError: The server is away, or nothing can be measured.
    """
    if "," in url:
        raise UsageError("compare measures one server; give one address")
    connection = connection or implied_connection(url)
    program = _program(plan, connection) if plan.engine == "perf_analyzer" else None
    with closing(open_transport(url, connection)) as transport:
        return _measure(plan, transport, connection, program, progress)


def _program(plan: Plan, connection: Connection) -> Program:
    if connection.tls or connection.headers or connection.compression:
        raise UsageError("perf_analyzer is not given TLS, headers or compression; take --engine python for them")
    return find_program(plan.perf_analyzer)


def _measure(
    plan: Plan, transport: Transport, connection: Connection, program: Program | None, progress: Progress
) -> Report:
    began, clock = datetime.now().astimezone(), time.monotonic()
    server = machine.describe_server(transport)
    found = find_candidates(transport, plan)
    inputs = prepare(plan.images, found.reference.preprocessing, plan.largest_batch)
    answers = _compare_answers(transport, found, inputs)
    models = tuple(machine.describe_model(transport, one, plan.repository) for one in answers.contracts.values())
    with closing(_engine(plan, transport, connection, answers.contracts, inputs, program)) as engine:
        cells, interrupted = _run(engine, transport, plan, answers.contracts, progress)
    return Report(
        created=began.isoformat(timespec="seconds"),
        duration=time.monotonic() - clock,
        engine=engine.name,
        engine_version=engine.version,
        reference=found.reference.name,
        conditions=_conditions(plan, connection, transport.url, inputs),
        machine=machine.describe_machine(),
        server=server,
        models=models,
        lost={**found.lost, **answers.lost},
        labels=answers.labels,
        interrupted=interrupted,
        cells=cells,
        agreements=answers.agreements,
    )


@dataclass(frozen=True)
class _Answers:
    """The models that answered, and how well they agree; `labels` are those that differing images need."""

    contracts: Mapping[str, ModelContract]
    agreements: tuple[Agreement, ...]
    labels: Mapping[int, str]
    lost: Mapping[str, str]


def _compare_answers(transport: Transport, found: Candidates, inputs: Inputs) -> _Answers:
    """Hold every model against the reference; one that does not answer is lost."""
    reference = found.reference
    expected = agreement.answers(transport, reference, inputs)
    contracts, agreements, lost = {reference.name: reference}, [], {}
    for name, contract in found.contracts.items():
        if name == reference.name:
            continue
        try:
            got = agreement.answers(transport, contract, inputs)
        except ServerUnavailableError:
            raise
        except TritonRepoError as exc:
            lost[name] = str(exc)
        else:
            contracts[name] = contract
            kinds = (contract.scores, reference.scores)
            agreements.append(agreement.compare(name, reference.name, inputs.names, got, expected, kinds))
    differing = [image for one in agreements for image in one.differing]
    indices = sorted({index for image in differing for index in (image.reference_class, image.model_class)})
    return _Answers(contracts, tuple(agreements), {index: found.labels[index] for index in indices}, lost)


def _engine(
    plan: Plan,
    transport: Transport,
    connection: Connection,
    contracts: Mapping[str, ModelContract],
    inputs: Inputs,
    program: Program | None,
) -> Engine:
    memory: Callable[[], float | None] = machine.server_memory_reader(transport.url)
    if program is None:
        return PythonEngine(transport, contracts, inputs, plan.distribution, memory, plan.seed)
    return PerfAnalyzer(program, transport, connection.protocol, contracts, inputs, plan.distribution, memory)


def _run(
    engine: Engine, transport: Transport, plan: Plan, contracts: Mapping[str, ModelContract], progress: Progress
) -> tuple[tuple[Cell, ...], bool]:
    """The cells, and whether an interruption ended the run."""

    def fits(setting: Setting) -> bool:
        return setting.batch_size <= contracts[setting.model].max_batch_size

    run = Run(engine, transport, filter(fits, settings(plan, list(contracts))), plan)
    try:
        run.measure(progress)
    except KeyboardInterrupt:
        if not any(cell.measured for cell in run.cells):
            raise
        return tuple(run.cells), True
    return tuple(run.cells), False


def _conditions(plan: Plan, connection: Connection, url: str, inputs: Inputs) -> Conditions:
    return Conditions(
        window=plan.window,
        windows=plan.windows,
        most_windows=plan.most_windows,
        stability=plan.stability,
        protocol=connection.protocol,
        compression=connection.compression,
        url=url,
        images=len(inputs.names),
        generated=inputs.generated,
        image_names=inputs.names,
        distribution=plan.distribution if plan.request_rates else None,
    )

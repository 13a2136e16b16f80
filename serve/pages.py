"""What the supervisor's endpoint answers: readiness as JSON, and metrics as Prometheus' text."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus

from tritonrepo.serve.endpoint import LIVE, METRICS, READY, Answer
from tritonrepo.serve.supervisor import Supervisor

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
STARTING = {"tritonserver": "is starting"}


def make_pages(find: Callable[[], Supervisor | None]) -> dict[str, Callable[[], Answer]]:
    """Return what answers for each path.

    Args:
        find: Returns the supervisor; None while the server starts for the first time.
    """

    def ready() -> Answer:
        supervisor = find()
        missing = supervisor.missing() if supervisor else STARTING
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return status, "application/json", json.dumps({"missing": missing}).encode()

    def metrics() -> Answer:
        supervisor = find()
        return HTTPStatus.OK, PROMETHEUS, (write_metrics(supervisor) if supervisor else "").encode()

    return {READY: ready, LIVE: lambda: (HTTPStatus.OK, "text/plain", b""), METRICS: metrics}


def write_metrics(supervisor: Supervisor) -> str:
    """Return the figures of a supervisor."""
    missing, models = supervisor.missing(), supervisor.snapshot()
    return "".join(
        [
            metric("ready", "gauge", "Whether every model answered a request lately.", {"": int(not missing)}),
            metric("server_restarts_total", "counter", "Starts after an end.", {"": supervisor.restarts}),
            metric(
                "model_recoveries_total",
                "counter",
                "Models that did not answer, were loaded again, and answered.",
                {name: known.recoveries for name, known in models.items()},
            ),
            metric(
                "model_faults_total",
                "counter",
                "Faults found in a model, and failures to mend it.",
                {name: known.all_faults for name, known in models.items()},
            ),
            metric(
                "model_answers",
                "gauge",
                "Whether the model answered a request lately.",
                {name: int(name not in missing) for name in models},
            ),
        ]
    )


def metric(name: str, kind: str, words: str, values: Mapping[str, float]) -> str:
    """Return the lines of one metric; the value of the model "" has no label."""
    full = f"tritonrepo_{name}"
    lines = [
        f'{full}{{model="{escape(model)}"}} {value}' if model else f"{full} {value}" for model, value in values.items()
    ]
    return "\n".join([f"# HELP {full} {words}", f"# TYPE {full} {kind}", *lines, ""])


def escape(label: str) -> str:
    """Return a label's value as Prometheus' text has it."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

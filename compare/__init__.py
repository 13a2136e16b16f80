"""Compare the served models: how fast, how stable, how well they agree, and which one to take.

    from tritonrepo.compare import Criteria, Plan, judge, measure

    report = measure(Plan(batch_sizes=(1, 8)), "localhost:8001")
    for sentence in judge(report, Criteria(latency_budget=200)).sentences:
        print(sentence)

A plan is measured into a `Report`, which holds figures alone; a report is judged by criteria into a `Judgement`; the
views of `compare.views` show both and compute nothing. A report is stored by `write_report` and read by `read_report`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command

if __name__ != "tritonrepo.compare":
    raise ImportError("import it as tritonrepo.compare: no module has two names")

if TYPE_CHECKING:
    from tritonrepo.compare.criteria import Criteria
    from tritonrepo.compare.judgement import Judgement, judge
    from tritonrepo.compare.measurement import measure
    from tritonrepo.compare.plan import Plan
    from tritonrepo.compare.report import Report
    from tritonrepo.compare.rounds import Step
    from tritonrepo.compare.storage import read_report, write_report
    from tritonrepo.compare.tuning.outcome import UnwrittenError
    from tritonrepo.compare.tuning.tune import TuningTask, tune

_HOMES = {
    "Criteria": "criteria",
    "Judgement": "judgement",
    "Plan": "plan",
    "Report": "report",
    "Step": "rounds",
    "TuningTask": "tuning.tune",
    "UnwrittenError": "tuning.outcome",
    "judge": "judgement",
    "measure": "measurement",
    "read_report": "storage",
    "tune": "tuning.tune",
    "write_report": "storage",
}
__all__ = [
    "Criteria",
    "Judgement",
    "Plan",
    "Report",
    "Step",
    "TuningTask",
    "UnwrittenError",
    "judge",
    "measure",
    "read_report",
    "tune",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import on first use: the command's words need neither scipy nor the other packages of the extra.

    Raises:
        MissingError: A package of the extra `compare` is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'tritonrepo.compare' has no attribute {name!r}")
    try:
        return getattr(import_module(f"tritonrepo.compare.{_HOMES[name]}"), name)
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed: {install_command('compare')}") from exc

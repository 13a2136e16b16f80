"""Everything that is derived from a run, computed once; the views show it and compute nothing."""

from __future__ import annotations

from dataclasses import dataclass

from tritonrepo.client.errors import UsageError
from tritonrepo.compare.baseline import Change, caveats, changes
from tritonrepo.compare.choice import Choice, choose
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.errors import NothingMeasuredError
from tritonrepo.compare.marks import JudgedCell, judged
from tritonrepo.compare.problems import problems
from tritonrepo.compare.report import Report
from tritonrepo.compare.sentences import sentences
from tritonrepo.compare.slowness import SlowModel, slow_models


@dataclass(frozen=True)
class Judgement:
    """What a run says under some criteria.

    Attributes:
        criteria: The limits that it was held against.
        cells: All cells, in the report's order.
        choice: Which configuration to take, and what was passed over.
        slow_models: Those that take much longer than the reference.
        disagreeing: The models that do not agree with the reference.
        problems: Everything that is wrong, a sentence each.
        sentences: What to take and why.
        changes: Since the baseline, if there is one.
        caveats: What else differs from the baseline.
    """

    criteria: Criteria
    cells: tuple[JudgedCell, ...]
    choice: Choice
    slow_models: tuple[SlowModel, ...]
    disagreeing: frozenset[str]
    problems: tuple[str, ...]
    sentences: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The changes that are worse by more than the criteria allow."""
        return tuple(change for change in self.changes if change.regression)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong and nothing regressed."""
        return not self.problems and not self.regressions


def judge(report: Report, criteria: Criteria | None = None, baseline: Report | None = None) -> Judgement:
    """Hold a run against criteria, and against an older run.

    Raises:
        NothingMeasuredError: No cell has a figure.
        UsageError: The criteria limit regressions, and there is no baseline.
    """
    criteria = criteria or Criteria()
    if criteria.max_regression is not None and baseline is None:
        raise UsageError("a limit for regressions needs a baseline to compare with")
    if not report.measured_models:
        errors = {str(cell.setting): cell.error for cell in report.cells if cell.error}
        raise NothingMeasuredError({**report.lost, **errors})
    choice = choose(report, criteria)
    slow = tuple(slow_models(report, criteria))
    disagreeing = frozenset(one.model for one in report.agreements if not one.within(criteria.tolerance))
    return Judgement(
        criteria=criteria,
        cells=tuple(judged(cell, criteria, choice) for cell in report.cells),
        choice=choice,
        slow_models=slow,
        disagreeing=disagreeing,
        problems=tuple(problems(report, criteria, choice, slow)),
        sentences=tuple(sentences(report, criteria, choice, slow)),
        changes=tuple(changes(baseline, report, criteria.max_regression)) if baseline else (),
        caveats=tuple(caveats(baseline, report)) if baseline else (),
    )

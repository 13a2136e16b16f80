"""The sentences at the end of a report, which must say what its tables say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.compare.reports import cell, make_agreement, make_report
from tests.compare.test_choice import CELLS, LARGE, QUICK, SLOW
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.criteria import Criteria
from tritonrepo.compare.judgement import judge


def said(cells: Sequence[Cell], criteria: Criteria | None = None, **changes: Any) -> list[str]:
    return list(judge(make_report(cells, **changes), criteria).sentences)


def test_what_to_take_in_plain_words() -> None:
    found = said(CELLS, Criteria(price=7.2), agreements=(make_agreement(),))
    assert found[0].startswith("Take m_b with batch size 8 at concurrency 1: 40.0 images/s (95% interval 39.9 to 40.1)")
    assert found[0].endswith(", p95 200.0 ms, 0.05 per 1,000 images at 7.2 an hour.")
    assert "m_a reaches 32.0 images/s at best (batch size 8, concurrency 1), 20% less." in found
    assert found[-1] == "The models agree: no probability differs by more than 1e-06."
    assert not any("is slow" in sentence for sentence in found)


def test_under_a_budget_no_sentence_praises_what_misses_it() -> None:
    """Both models reach more beyond the budget, which the table shows too."""
    found = said(CELLS, Criteria(150))
    assert found[0].startswith(
        "Within 150 ms at the 95th percentile, take m_b with batch size 1 at concurrency 1: 20.0 images/s"
    )
    assert found[1] == "m_a reaches 10.0 images/s at best within the budget (batch size 1, concurrency 1), 50% less."
    assert found[2] == "Beyond 150 ms, m_b, batch 8, concurrency 1 reaches 40.0 images/s, p95 200.0 ms."
    assert len(found) == 3


def test_a_tie_beyond_the_budget_is_none() -> None:
    near = cell("m_c", 1, 1, (19.5, 20.0, 20.5), latency=160.0)
    assert "m_c, batch 1, concurrency 1 is not distinguishable" in " ".join(said([QUICK, near]))
    assert "m_c" not in " ".join(said([QUICK, near], Criteria(150)))


def test_nothing_within_the_budget() -> None:
    assert said(CELLS, Criteria(10)) == [
        "No configuration keeps the 95th percentile within 10 ms; the quickest is m_b, batch 1, concurrency 1 with "
        "50.0 ms."
    ]


def test_nothing_without_failures() -> None:
    assert said([cell("m_a", failures={"x": 1})], Criteria(10)) == [
        "No configuration was measured without failures, so none can be recommended."
    ]


def test_of_equals_the_quickest_to_answer_is_named() -> None:
    near = cell("m_c", 8, 1, (4.9, 5.0, 5.1), latency=150.0)
    nearer = cell("m_d", 4, 1, (9.9, 10.0, 10.1), latency=90.0)
    found = said([*CELLS, near])
    assert found[0].startswith("Take m_b with batch size 8")
    assert found[1] == (
        "The throughput of m_c, batch 8, concurrency 1 is not distinguishable from it in this run, and it answers "
        "sooner: 40.0 images/s, p95 150.0 ms."
    )
    assert said([*CELLS, near, nearer])[1] == (
        "The throughput of 2 other configurations is not distinguishable from it in this run; the quickest to answer "
        "of them is m_d, batch 4, concurrency 1: 40.0 images/s, p95 90.0 ms."
    )
    later = cell("m_c", 8, 1, (4.9, 5.0, 5.1), latency=250.0)
    assert said([*CELLS, later])[1].endswith("and it is the quickest to answer of them.")


def test_a_faster_cell_that_is_not_stable_is_explained() -> None:
    """The table shows it above the best one."""
    unstable = cell("m_b", 8, 2, (9, 10, 11))
    assert "m_b, batch 8, concurrency 2 was faster, but not stable: 80.0 images/s, p95 222.2 ms." in said(
        [*CELLS, unstable]
    )
    other = cell("m_c", 1, 1, (60, 70, 80))
    (sentence,) = [sentence for sentence in said([SLOW, other]) if sentence.startswith("m_c reaches")]
    assert sentence == "m_c reaches 70.0 images/s at best (batch size 1, concurrency 1), 600% more, but not stable."
    assert "though its windows were not stable" in said([other])[0]


def test_a_model_that_disagrees_is_not_recommended_for_its_speed() -> None:
    found = said(CELLS, agreements=(make_agreement(shift=1.2, top1=0.5),))
    assert found[0].startswith("Take m_a with batch size 8")
    assert found[1] == (
        "m_b, batch 8, concurrency 1 reaches 40.0 images/s, p95 200.0 ms, but does not agree: do not take it for its "
        "speed."
    )
    assert not any("The models agree" in sentence for sentence in found)
    assert said([LARGE], agreements=(make_agreement(shift=1.2),)) == [
        "No configuration of a model that agrees with the reference was measured without failures."
    ]


def test_a_slow_model_is_a_problem_or_a_sentence() -> None:
    cells = [QUICK, cell("m_slow", 1, 1, (4, 4, 4.01))]
    slow = "m_slow is slow: it takes 5.0 times as long as m_b."
    assert slow not in said(cells)
    assert slow in said(cells, Criteria(max_slowdown=6))


def test_an_interrupted_run_says_so() -> None:
    assert said(CELLS, interrupted=True)[-1] == "The run was interrupted before all its windows were measured."


@pytest.mark.parametrize(("count", "verb"), [(1, "was"), (2, "were")])
def test_unstable_cells_are_counted(count: int, verb: str) -> None:
    unstable = [cell("m_c", size, 1, (1, 2, 3)) for size in (1, 2)[:count]]
    assert f"{count} of {4 + count} cells {verb} not stable: measure again on a quieter machine." in said(
        [*CELLS, *unstable]
    )


def test_one_window_has_no_interval_and_tells_nothing_apart() -> None:
    found = " ".join(said([cell("m_a", rates=(20,)), cell("m_b", rates=(5,))]))
    assert "20.0 images/s, p95" in found
    assert "nan" not in found
    assert "is slow" not in found

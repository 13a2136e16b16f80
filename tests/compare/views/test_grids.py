"""The tables as data: the same columns wherever they are drawn, with what is to be said of each row."""

from __future__ import annotations

from tests.compare.reports import cell, everyday_report, make_agreement, make_report
from tests.compare.test_choice import CELLS
from tritonrepo.compare import Criteria, judge
from tritonrepo.compare.agreement import DifferingImage
from tritonrepo.compare.views.grid import Column, Part, grid
from tritonrepo.compare.views.grids import (
    agreement_grid,
    change_grid,
    differing_grids,
    short_grid,
    speed_grid,
    time_grid,
)


def test_a_grid_marks_the_best_row_and_where_a_group_begins() -> None:
    columns = [Column[int]("n", str), Column[int]("odd", lambda n: [Part("yes", "good")] if n % 2 else [])]
    found = grid("numbers", columns, [1, 3, 10, 11], best=lambda n: n == 3, group=lambda n: n // 10)
    assert [row.texts for row in found.rows] == [["1", "yes"], ["3", "yes"], ["10", ""], ["11", "yes"]]
    assert [row.best for row in found.rows] == [False, True, False, False]
    assert [row.first for row in found.rows] == [False, False, True, False]


def test_speed_has_a_row_for_each_cell_and_the_marks_of_the_judgement() -> None:
    report = make_report(CELLS)
    found = speed_grid(report, judge(report, Criteria(150, price=3.6)))
    assert [head.heading for head in found.columns] == [
        *("model", "batch", "concurrency", "images/s", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "cost of 1,000", "")
    ]
    assert found.title == "Speed, m_*"
    assert [row.texts[-1] for row in found.rows] == ["", "best, Pareto", "too late", "too late"]
    assert found.rows[0].texts[:4] == ["a", "1", "1", "10.0 ± 0.0"]
    assert found.rows[1].entries[-1] == (Part("best", "good"), Part("Pareto", "good"))
    assert [row.best for row in found.rows] == [False, True, False, False]
    assert found.rows[0].texts[-2] == "0.1"
    assert "cost" not in [head.title for head in speed_grid(report, judge(report)).columns]


def test_a_lost_cell_has_a_row_in_speed_alone() -> None:
    report = everyday_report()
    judgement = judge(report)
    assert speed_grid(report, judgement).rows[2].texts == ["b", "8", "1", *["-"] * 5, "not measured"]
    assert [len(grid.rows) for grid in (time_grid(report, judgement), short_grid(report, judgement))] == [3, 3]


def test_a_percentile_with_too_few_requests_is_explained() -> None:
    few, many = make_report([cell("m", rates=(10, 10, 10))]), make_report([cell("m", rates=(40, 40, 40))])
    assert speed_grid(few, judge(few)).note.startswith("A percentile in brackets")
    assert speed_grid(many, judge(many)).note == ""


def test_agreement_says_who_agrees() -> None:
    report = make_report(CELLS, agreements=(make_agreement(), make_agreement("m_c", shift=1.2)))
    rows = agreement_grid(report, judge(report)).rows
    assert [row.entries[-1] for row in rows] == [(Part("agrees", "good"),), (Part("disagrees", "bad"),)]
    assert rows[0].texts[:3] == ["b", "1.0e-06", "5.0e-07"]


def test_differing_images_are_shown_by_label_and_the_rest_is_counted() -> None:
    images = tuple(DifferingImage(f"{number}.jpg", 1, 7, 0.4) for number in range(12))
    report = make_report(CELLS, agreements=(make_agreement(differing=images), make_agreement("m_c")), labels={1: "cat"})
    (all_of_them,) = differing_grids(report)
    (some,) = differing_grids(report, most=10)
    assert (len(all_of_them.rows), len(some.rows)) == (12, 10)
    assert all_of_them.title == "m_b: 12 of 8 images with another first class"
    assert some.title.endswith(", the worst 10")
    assert some.rows[0].texts == ["0.jpg", "cat", "class 7", "4.0e-01"]


def test_changes_have_a_colour() -> None:
    old = make_report([cell("m_a"), cell("m_b")])
    new = make_report([cell("m_a"), cell("m_b", rates=(5.0, 5.1, 4.9, 5.0, 5.0))])
    rows = change_grid(judge(new, Criteria(max_regression=0.05), old).changes).rows
    assert [row.entries[-1][0] for row in rows] == [
        *[Part("no change", "faint")] * 2,
        *[Part("regression", "bad")] * 2,
    ]
    assert rows[2].texts[:7] == ["b", "1", "1", "images/s", "10.0", "5.00", "-50.0% ± 1.0%"]

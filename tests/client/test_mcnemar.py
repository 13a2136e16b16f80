"""McNemar's exact test and the interval of the difference, against scipy and known values."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from tritonrepo.client.evaluate import Outcome
from tritonrepo.client.mcnemar import Answers, Difference


def answers(right: str) -> Answers:
    """An image a letter: r right, w wrong, x not classified."""
    found = Answers()
    for index, letter in enumerate(right):
        error = "torn" if letter == "x" else None
        rank = 1 if letter == "r" else 2
        found.add(Outcome(f"{index % 4}.png", "net", 0, None if error else 0, 0.5, rank, error))
    return found


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (3, 5), (5, 3), (0, 6), (40, 71), (700, 800)])
def test_p_is_the_binomial_tests(gained: int, lost: int) -> None:
    wanted = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert Difference(2000, gained, lost).p == pytest.approx(wanted, rel=1e-9)


def test_images_are_paired_by_name_and_by_how_often_it_came() -> None:
    # 0.png to 3.png twice each: the second time another file of another folder, say.
    difference = Difference.of(answers("rrwwrrrx"), answers("rwrwwwrr"))
    assert (difference.count, difference.gained, difference.lost) == (7, 3, 1)
    assert difference.value == pytest.approx(2 / 7)


def test_the_interval_is_that_of_bonett_and_price() -> None:
    # (12 + 1) / 102 - (9 + 1) / 102 and 1.96 times its standard error, by hand.
    low, high = Difference(100, 12, 9).interval
    assert (low, high) == pytest.approx((0.02941 - 0.09198, 0.02941 + 0.09198), abs=1e-4)


def test_of_nothing_nothing_is_known() -> None:
    difference = Difference.of(answers("xx"), answers("rr"))
    assert difference.as_dict("other")["difference"] is None
    assert difference.p == 1.0

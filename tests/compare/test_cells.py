"""A cell's figures from its windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.compare.reports import cell, window
from tritonrepo.compare.cells import KEPT_LATENCIES, Cell, Setting, is_stable, kept
from tritonrepo.compare.load import Request, summarise


def test_throughput_is_the_mean_of_the_windows_in_images() -> None:
    found = cell("m", batch_size=4, rates=(10, 11, 12)).images_per_second
    assert found.mean == pytest.approx(44.0)
    assert found.half_width == pytest.approx(4.302653 * 4 / np.sqrt(3), rel=1e-5)


def test_percentiles_are_those_of_all_requests_together() -> None:
    rng = np.random.default_rng(0)
    parts = [list(rng.lognormal(3, 0.5, count)) for count in (100, 5000, 1200)]
    windows = tuple(summarise([Request(0.0, v / 1e3) for v in part], 1.0, len(part), 0.1) for part in parts)
    found = Cell(Setting("m", 1, 1), windows)
    everything = np.concatenate(parts)
    for percent in (50, 90, 95, 99):
        assert found.percentile(percent).mean == pytest.approx(np.percentile(everything, percent), rel=0.01)
    assert found.standard_deviation == pytest.approx(everything.std(), rel=1e-6)
    assert found.requests == 6300


def test_without_latencies_the_windows_percentiles_are_averaged() -> None:
    windows = tuple(replace(window(10, latency), latencies=()) for latency in (10.0, 20.0, 30.0))
    assert Cell(Setting("m", 1, 1), windows).percentile(95).mean == pytest.approx(20.0)


def test_many_latencies_are_thinned_and_keep_their_shape() -> None:
    values = list(np.random.default_rng(0).exponential(10, 100_000))
    thin = kept(values)
    assert len(thin) == KEPT_LATENCIES
    assert np.percentile(thin, 99) == pytest.approx(np.percentile(values, 99), rel=0.02)
    assert kept([3.0, 1.0]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("rates", "stable"),
    [((10, 10), False), ((5, 10, 10.5, 10.2), True), ((10, 10.5, 11.2), False), ((10, 10.9, 10.5), True)],
)
def test_stable_is_when_the_last_three_are_within_ten_percent(rates: tuple[float, ...], stable: bool) -> None:
    assert is_stable([window(rate, 100 / rate) for rate in rates], 0.1) is stable


def test_latency_counts_for_stability_too() -> None:
    assert not is_stable([window(10, latency) for latency in (10, 10, 12)], 0.1)


def test_failures_are_counted_and_make_a_cell_unusable() -> None:
    failed = cell("m", failures={"timeout": 2, "refused": 1})
    assert failed.failures == {"timeout": 10, "refused": 5}
    assert not failed.usable
    assert failed.average == cell("m").average
    assert cell("m").usable


def test_the_split_is_weighted_by_requests_and_adds_the_executions() -> None:
    windows = (window(10, 10.0), window(30, 20.0), window(10, 10.0))
    split = Cell(Setting("m", 1, 1), windows).split
    assert split is not None
    assert split.total == pytest.approx((2 * 10 + 3 * 20) / 5)
    assert split.executions == {1: 100}

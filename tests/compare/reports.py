"""Reports with known figures for the tests of what is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tritonrepo.compare.agreement import Agreement, DifferingImage
from tritonrepo.compare.cells import PERCENTILES, Cell, Growth, Setting, Split, Window
from tritonrepo.compare.report import Conditions, Machine, Report, ServedModel, Server

MACHINE = Machine(
    system="Linux",
    cpu="EPYC <7>",
    cores=2,
    threads=2,
    memory=24.0,
    gpus=(),
    python="3.11.7",
    libraries={"tritonclient": "2.73.0"},
)
CONDITIONS = Conditions(
    window=2.0,
    windows=5,
    most_windows=8,
    stability=0.1,
    protocol="grpc",
    compression=None,
    url="127.0.0.1:8001",
    images=8,
    generated=False,
    image_names=("a.jpg",),
)


def window(
    rate: float, latency: float, failures: Mapping[str, int] | None = None, growth: Growth | None = None
) -> Window:
    """`rate` requests a second, all of which take `latency` ms."""
    rate, latency = float(rate), float(latency)
    return Window(
        seconds=2.0,
        requests=round(2 * rate),
        requests_per_second=rate,
        average=latency,
        standard_deviation=0.0,
        percentiles=dict.fromkeys(PERCENTILES, latency),
        failures=failures or {},
        latencies=(latency,) * 4,
        split=Split(0.1 * latency, 0.05 * latency, 0.8 * latency, 0.05 * latency, {1: round(2 * rate)}),
        growth=growth,
        client_cpu=0.25,
        server_memory=300.0,
    )


def cell(
    model: str,
    batch_size: int = 1,
    concurrency: int = 1,
    rates: Sequence[float] = (10.0, 10.1, 9.9, 10.0, 10.0),
    latency: float | None = None,
    error: str | None = None,
    failures: Mapping[str, int] | None = None,
) -> Cell:
    """A closed loop's cell: without a latency, that which keeps `concurrency` requests in flight at the rates."""
    windows = [window(rate, latency or 1e3 * concurrency / rate, failures) for rate in rates]
    return Cell(Setting(model, batch_size, concurrency), tuple(windows), error)


def make_report(cells: Sequence[Cell], **changes: Any) -> Report:
    models = dict.fromkeys(cell.setting.model for cell in cells)
    defaults: dict[str, Any] = {
        "created": "2026-11-24T10:00:00+00:00",
        "duration": 240.0,
        "engine": "python",
        "engine_version": "tritonclient 2.73.0",
        "reference": next(iter(models)),
        "conditions": CONDITIONS,
        "machine": MACHINE,
        "server": Server("triton", "2.51.0", ("statistics",)),
        "models": tuple(ServedModel(name, versions=("1",), backend="b") for name in models),
        "cells": tuple(cells),
    }
    return Report(**{**defaults, **changes})


def make_agreement(model: str = "m_b", shift: float = 1e-5, **changes: Any) -> Agreement:
    figures = {"worst_difference": shift / 10, "mean_difference": shift / 20, "worst_shift": shift}
    return Agreement(
        **{"model": model, "reference": "m_a", "images": 8, **figures, "top1": 1.0, "top5": 1.0, **changes}
    )


def everyday_report() -> Report:
    """A closed and an open loop, a lost model and a lost cell, an image on which two models differ."""
    open_cell = Cell(
        Setting("m_a", 1, request_rate=100.0),
        tuple(window(50, 450, growth=Growth(math.nan, math.nan, 100.0, 50.0)) for _ in range(3)),
    )
    return make_report(
        [cell("m_a"), cell("m_b", rates=(20, 21, 20)), cell("m_b", 8, rates=(), error="gone"), open_cell],
        agreements=(make_agreement(differing=(DifferingImage("<a>.jpg", 1, 2, 0.4),)),),
        lost={"m_c": "not ready"},
        labels={1: "cat", 2: "dog"},
    )

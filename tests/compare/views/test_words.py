"""Names, loads and figures in few letters."""

from __future__ import annotations

import math

import pytest

from tests.compare.reports import cell, everyday_report, make_report
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.figures import FIGURES
from tritonrepo.compare.intervals import Interval
from tritonrepo.compare.report import ServedModel
from tritonrepo.compare.views.words import (
    figure_text,
    load_title,
    method,
    milliseconds,
    shared_words,
    short_load,
    short_names,
    signed,
    untrained_words,
)


def text(name: str, of: Cell) -> str:
    (figure,) = [figure for figure in FIGURES if figure.name == name]
    return figure_text(figure, of)


def test_names_lose_the_words_that_they_share() -> None:
    assert short_names(["resnet_50_onnx", "resnet_50_onnx_fp16"]) == {
        "resnet_50_onnx": "onnx",
        "resnet_50_onnx_fp16": "onnx_fp16",
    }
    assert short_names(["one"]) == {"one": "one"}
    assert short_names(["a_b", "c_b"]) == {"a_b": "a_b", "c_b": "c_b"}
    assert shared_words([]) == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("images_per_second", "40.0 ± 0.5"),
        ("average_ms", "100.0"),
        ("p50_ms", "100.0"),
        ("p95_ms", "100.0"),
        ("p99_ms", "(100.0)"),
        ("queue_ms", "10.0"),
        ("compute_input_ms", "5.00"),
        ("client_cpu_cores", "0.25"),
        ("server_memory_mib", "300"),
        ("executed_batch_sizes", "1x80"),
        ("requests", "80"),
        ("first_quarter_ms", "-"),
    ],
)
def test_each_figure_has_as_many_digits_as_matter(name: str, shown: str) -> None:
    """80 requests are enough for the 95th percentile, not for the 99th."""
    assert text(name, cell("m", 4, 1, (10.0, 10.1, 9.9, 10.0), latency=100.0)) == shown


def test_a_cell_without_windows_has_no_figures() -> None:
    assert {figure_text(figure, cell("m", rates=(), error="gone")) for figure in FIGURES} == {"-"}


def test_one_window_has_no_limits() -> None:
    assert text("images_per_second", cell("m", rates=(10.0,))) == "10.0"


def test_milliseconds_and_changes() -> None:
    assert [milliseconds(value) for value in (0.123, 9.999, 12.34, 1234.5, math.nan)] == [
        "0.12",
        "10.00",
        "12.3",
        "1,234.5",
        "-",
    ]
    assert signed(Interval(0.031, 0.027, 0.035)) == "+3.1% ± 0.4%"
    assert signed(Interval(-0.5, math.nan, math.nan)) == "-50.0%"


def test_the_load() -> None:
    closed, opened = make_report([cell("m", 1, 4)]), everyday_report()
    assert (load_title(closed), load_title(opened)) == ("concurrency", "requests/s")
    assert (short_load(closed.cells[0].setting), short_load(opened.cells[3].setting)) == ("4", "100/s")
    assert method(closed).startswith("A closed loop")
    assert method(opened).startswith("An open loop")


def test_untrained_weights_are_told() -> None:
    models = (ServedModel("m_a", trained=False), ServedModel("m_b"))
    assert untrained_words(make_report([cell("m_a")], models=models)).startswith("The weights of m_a are untrained:")
    assert untrained_words(make_report([cell("m_a")])) == ""

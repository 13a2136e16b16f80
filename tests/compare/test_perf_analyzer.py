"""perf_analyzer's reports, as version 2.51.0 writes them, and what is said when the program is not usable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tritonrepo.client.errors import MissingError, RequestError
from tritonrepo.compare.cells import Setting
from tritonrepo.compare.perf_analyzer import find_program, parse

TEXT = """*** Measurement Settings ***
  Batch size: 2
Request concurrency: 2
  Client:
    Request count: 7284
    Throughput: 3982.34 infer/sec
    Avg latency: 999 usec (standard deviation 1092 usec)
    p50 latency: 809 usec
"""
COLUMNS = (
    "Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,Server Compute Infer,"
    "Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency,Avg latency,request/response,"
    "response wait"
)
CSV = f"Concurrency,{COLUMNS}\n2,3982.34,3,670,78,14,162,70,0,809,1215,1761,5691,999,3,987\n"


def test_a_report_becomes_a_window_in_milliseconds() -> None:
    window = parse(TEXT, CSV, Setting("m", 2, concurrency=2), 3.0)
    assert window.requests == 7284
    assert window.requests_per_second == pytest.approx(1991.17)
    assert (window.average, window.standard_deviation) == (0.999, 1.092)
    assert window.percentiles == {50: 0.809, 90: 1.215, 95: 1.761, 99: 5.691}
    assert window.split is not None
    assert (window.split.queue, window.split.compute_infer) == (0.078, 0.162)
    assert window.growth is None
    assert window.latencies == ()


def test_an_open_loops_rate_is_held_against_the_wanted_one() -> None:
    report = f"Request Rate,{COLUMNS}\n50,60.0,3,670,78,14,162,70,0,809,1215,1761,5691,999,3,987\n"
    window = parse(TEXT, report, Setting("m", 2, request_rate=50.0), 3.0)
    assert window.growth is not None
    assert (window.growth.offered, window.growth.achieved) == (50.0, 30.0)
    assert not window.growth.sustained


@pytest.mark.parametrize(("text", "report"), [("", CSV), (TEXT, ""), (TEXT, "Concurrency\n2\n")])
def test_another_format_is_refused(text: str, report: str) -> None:
    with pytest.raises(RequestError, match="no usable"):
        parse(text, report, Setting("m", 2, concurrency=2), 3.0)


def test_a_missing_program_is_answered_with_where_to_get_it() -> None:
    with pytest.raises(MissingError, match=r"pip download --no-deps tritonclient==2\.51\.0"):
        find_program("/nowhere/perf_analyzer")


def test_a_program_that_does_not_start_is_answered_with_what_it_needs(tmp_path: Path) -> None:
    program = tmp_path / "perf_analyzer"
    program.write_text("#!/bin/sh\necho 'libb64.so.0d: cannot open shared object file' >&2\nexit 127\n")
    program.chmod(0o755)
    with pytest.raises(MissingError, match="cannot open shared object file\nIt needs Debian's libb64-0d"):
        find_program(os.fspath(program))

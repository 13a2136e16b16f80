"""The short version of `make fuzz`: no hang, no crash, nothing but named errors."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fuzz.answers import KINDS, hostile_answers, hostile_grpc_answers
from tests.fuzz.damage import VARIANTS
from tests.fuzz.pictures import damaged_pictures, note, odd_files
from tests.fuzz.tally import Tally, table
from tests.fuzz.worker import Outcome, Worker, peak_memory

pytestmark = pytest.mark.slow
PEAK = 1200.0
"""MiB: the interpreter, and a picture of the largest size that is allowed with what its conversion takes."""


def test_damaged_pictures_are_pictures_or_named(tmp_path: Path) -> None:
    rows = list(damaged_pictures(1, 105, tmp_path))
    assert len(rows) == len(VARIANTS)
    for row in rows:
        assert row.survived, row
        assert row.tried == row.usable + row.named == 15
        assert row.named > 2
        assert row.peak < PEAK
    assert not any(path.stat().st_size for path in tmp_path.glob("*.stderr"))
    assert sum(row.usable for row in rows) > 15, "nothing but refusals would prove little"


def test_what_is_no_picture_is_named_at_once(tmp_path: Path) -> None:
    for row in odd_files(tmp_path, 2):
        assert row.named == row.tried == 2, row
        assert row.slowest < 2


def test_a_hostile_server_gets_nothing_but_named_errors() -> None:
    before = peak_memory()  # This process has run other tests.
    rows = list(hostile_answers(1, 3))
    assert len(rows) == 2 * len(KINDS)
    rows += hostile_grpc_answers(1, 30)
    for row in rows:
        assert row.survived, row
        assert row.peak < max(PEAK, before + PEAK / 4)


def test_a_crash_and_a_hang_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fuzzer that cannot fail would prove nothing."""
    row = Tally("itself")
    worker = Worker(tmp_path / "stderr")
    worker._process.kill()
    note(row, worker.ask(tmp_path / "any"))
    monkeypatch.setattr("tests.fuzz.worker.LIMIT", 0.1)
    assert worker._process.pid is not None
    os.kill(worker._process.pid, signal.SIGSTOP)
    note(row, worker.ask(tmp_path / "any"))
    worker.close()
    note(row, Outcome("traceback", "KeyError: 'x'"))
    assert (row.tried, row.crashes, row.hangs, row.tracebacks) == (3, 1, 1, ["KeyError: 'x'"])
    assert not row.survived
    assert table([row]).splitlines()[-1].startswith("| itself | 3 | 0 | 0 | 1 | 1 | 1 |")

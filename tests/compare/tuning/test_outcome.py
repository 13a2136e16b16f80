"""What a search is shown as: the front, those of the final, and a sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.compare.reports import cell
from tritonrepo.cli.tune import _print_json, _print_table, sentence
from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.outcome import Tuned
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.verdict import hold

NOW, BEST = Arm("net_onnx", Knobs(1, None, 500_000)), Arm("net_onnx", Knobs(2, 1, 0, (2,), "openvino"))
QUICK, BEATEN = Arm("net_onnx", Knobs(1, 1)), Arm("net_onnx", Knobs(2, None))
CELLS = {
    NOW: cell("a", rates=(10, 10.1, 9.9), latency=500),
    BEST: cell("b", rates=(30, 30.1, 29.9), latency=100),
    QUICK: cell("c", rates=(20, 20.1, 19.9), latency=50),
    BEATEN: cell("d", rates=(19, 19.1, 18.9), latency=60),
}
VERDICT = hold(CELLS[NOW], CELLS[BEST], None)
TUNED = Tuned(NOW, NOW, BEST, VERDICT, CELLS, {}, {}, 61.25, 2)


def test_the_front_is_what_no_other_beats_in_both() -> None:
    assert TUNED.front == (QUICK, BEST)
    assert TUNED.shown == [QUICK, BEST, NOW]


def test_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    _print_json(TUNED)
    *rows, said = map(json.loads, capsys.readouterr().out.splitlines())
    assert [row["marks"] for row in rows] == [["Pareto"], ["best", "Pareto"], ["now"]]
    assert rows[1]["images_per_second"] == pytest.approx(30)
    assert {key: rows[1][key] for key in ("model", "instances", "threads", "preferred_batch_sizes", "accelerator")} == {
        "model": "net_onnx",
        "instances": 2,
        "threads": 1,
        "preferred_batch_sizes": [2],
        "accelerator": "openvino",
    }
    assert (said["changed"], said["version"], said["measured"], said["seconds"]) == (True, 2, 4, 61.25)
    assert said["gain"][0] == pytest.approx(2.0)


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    _print_table(TUNED, dry_run=False)
    shown = capsys.readouterr().out
    assert "best, Pareto" in shown
    assert "500 ms" in shown
    assert shown.rstrip().endswith("Written as version 2 of net_onnx.")


def test_what_came_of_it_is_said() -> None:
    assert sentence(TUNED, False).startswith("4 configurations in 61.2 s. net_onnx: 2 instances, 1 thread, delay 0 ms")
    unwritten = replace(TUNED, version=None)
    assert sentence(unwritten, True).endswith("Nothing is written (--dry-run).")
    other = replace(unwritten, present=Arm("net_tensorrt", Knobs()), own=BEST)
    assert "Clients that name no format ask net_tensorrt: name net_onnx." in sentence(other, False)
    assert sentence(other, False).endswith("That is how it stands: nothing is written.")
    worse = replace(unwritten, verdict=hold(CELLS[BEST], CELLS[NOW], None))
    assert "Nothing is changed" in sentence(worse, False)

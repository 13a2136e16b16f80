"""Results as text."""

from __future__ import annotations

import io
import json

from rich.console import Console, RenderableType

from tritonrepo.cli.result_table import as_table
from tritonrepo.client.decode import Prediction
from tritonrepo.client.records import as_csv, as_json, csv_header
from tritonrepo.client.results import Result

CAT = Result(
    "cat.jpg",
    "net_onnx",
    "2",
    (Prediction(285, "Egyptian cat", 0.75, 4.0), Prediction(281, "tabby, tabby cat", 0.25, 3.0)),
)
SCORED = Result("cat.jpg", "net_onnx", "2", (Prediction(285, "Egyptian cat", None, 4.0),))
TORN = Result("torn\x1b[31m.jpg", "net_onnx", error="damaged image")


def shown(renderable: RenderableType, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_json_line_is_the_documented_object() -> None:
    assert as_json(CAT) == (
        '{"image": "cat.jpg", "model": "net_onnx", "version": "2", "predictions": '
        '[{"index": 285, "label": "Egyptian cat", "probability": 0.75, "score": 4.0}, '
        '{"index": 281, "label": "tabby, tabby cat", "probability": 0.25, "score": 3.0}]}'
    )
    assert json.loads(as_json(TORN)) == {"image": TORN.image, "error": "damaged image"}


def test_without_probabilities_there_are_scores_alone() -> None:
    assert json.loads(as_json(SCORED))["predictions"] == [{"index": 285, "label": "Egyptian cat", "score": 4.0}]
    assert "4" in shown(as_table(SCORED))


def test_csv_quotes_and_has_a_row_for_an_error() -> None:
    assert csv_header() == "image,model,version,rank,index,label,probability,score,error"
    assert as_csv(CAT).splitlines()[1] == 'cat.jpg,net_onnx,2,2,281,"tabby, tabby cat",0.25,3.0,'
    assert as_csv(TORN).endswith(",damaged image")


def test_bars_are_as_long_as_the_probabilities() -> None:
    _, first, second = shown(as_table(CAT)).splitlines()
    assert "75.00%" in first
    assert first.count("█") == 22
    assert second.count("█") == 7


def test_a_terminal_gets_no_control_characters_and_no_line_too_long() -> None:
    long = Result("x", "net", "1", (Prediction(0, "a very " + "long " * 30 + "label", 1.0, 1.0),))
    assert "\x1b" not in shown(as_table(TORN))
    assert max(map(len, shown(as_table(long), 80).splitlines())) <= 80

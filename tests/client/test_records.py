"""Results as text."""

from __future__ import annotations

import json

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


def test_a_json_line_is_the_documented_object() -> None:
    assert as_json(CAT) == (
        '{"image": "cat.jpg", "model": "net_onnx", "version": "2", "predictions": '
        '[{"index": 285, "label": "Egyptian cat", "probability": 0.75, "score": 4.0}, '
        '{"index": 281, "label": "tabby, tabby cat", "probability": 0.25, "score": 3.0}]}'
    )
    assert json.loads(as_json(TORN)) == {"image": TORN.image, "error": "damaged image"}


def test_without_probabilities_there_are_scores_alone() -> None:
    assert json.loads(as_json(SCORED))["predictions"] == [{"index": 285, "label": "Egyptian cat", "score": 4.0}]


def test_csv_quotes_and_has_a_row_for_an_error() -> None:
    assert csv_header() == "image,model,version,rank,index,label,probability,score,error"
    assert as_csv(CAT).splitlines()[1] == 'cat.jpg,net_onnx,2,2,281,"tabby, tabby cat",0.25,3.0,'
    assert as_csv(TORN).endswith(",damaged image")

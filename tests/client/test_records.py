"""Results as text."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import pytest

from tritonrepo.client.basis import Basis
from tritonrepo.client.decode import Prediction
from tritonrepo.client.options import Options
from tritonrepo.client.records import RESUMED_COLUMNS, as_csv, as_json, csv_header, escaped, unescaped
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


def test_a_class_that_is_ruled_out_has_no_score_in_either_format() -> None:
    masked = Result("cat.jpg", "net", "2", (Prediction(0, "ant", 0.0, -math.inf),))
    (prediction,) = json.loads(as_json(masked), parse_constant=pytest.fail)["predictions"]
    assert prediction == {"index": 0, "label": "ant", "probability": 0.0, "score": None}
    assert as_csv(masked) == "cat.jpg,net,2,1,0,ant,0.0,,"


@pytest.mark.parametrize("text", ["=1+2", "+SUM(A1)", "@x", "-x", "-", "\tx", "\rx", "\n=x", "'=1", "''@x", "-inf"])
def test_what_a_spreadsheet_would_run_is_escaped_and_can_be_read_back(text: str) -> None:
    row = next(csv.reader([as_csv(Result(text, "net", "1", (Prediction(0, text, 0.5, -1.5),)))], strict=True))
    assert row[0] == row[5] == escaped(text)
    assert unescaped(row[0]) == text
    assert row[0] == f"'{text}"
    assert row[7] == "-1.5"
    assert next(csv.reader([as_csv(Result(text, "net", error=text), escape=False)]))[0] == text


@pytest.mark.parametrize("text", ["plain", "", "-5", "+3.25", "-1e-5", ".5", "a=b", "'tis", "n01440764"])
def test_other_texts_and_numbers_are_written_as_they_are(text: str) -> None:
    assert escaped(text) == unescaped(text) == text


def test_a_kept_result_says_what_it_depends_on() -> None:
    basis = Basis.of(Options(orient=False), "c0ffee", "12-34")
    text = "settings=decode:exact,orientation:ignored,top:5 contract=c0ffee file=12-34"
    assert Basis.parse(text) == basis
    kept = Result("cat.jpg", "net", "2", CAT.predictions, basis=basis)
    assert json.loads(as_json(kept)) == {**json.loads(as_json(CAT)), "model": "net", "version": "2", "basis": text}
    torn = Result("torn.jpg", "net", error="torn", basis=basis)
    assert json.loads(as_json(torn)) == {
        "image": "torn.jpg", "error": "torn", "model": "net", "version": "", "basis": text
    }  # fmt: skip
    rows = list(csv.DictReader([csv_header(RESUMED_COLUMNS), *as_csv(kept).splitlines()]))
    assert [row["basis"] for row in rows] == [text, ""]


def test_results_of_several_classes_say_so_and_may_have_none() -> None:
    both = replace(CAT, scores="independent")
    assert json.loads(as_json(both)) == {**json.loads(as_json(CAT)), "scores": "independent"}
    none = replace(both, predictions=())
    assert json.loads(as_json(none))["predictions"] == []
    assert as_csv(none) == "cat.jpg,net_onnx,2,,,,,,"

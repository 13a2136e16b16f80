"""The page's parts: what names hold stays text."""

from __future__ import annotations

import re

from tritonrepo.client.decode import Prediction
from tritonrepo.client.results import Result
from tritonrepo.ui.panel import Opinion, Sight
from tritonrepo.ui.views import Picture, models

HOSTILE = '<script>alert(1)</script>"&\x1b[31m'


def test_hostile_names_labels_and_errors_stay_text() -> None:
    said = Result(HOSTILE, "net", "1", (Prediction(0, HOSTILE, 1.0, 1.0),))
    opinions = {"net": Opinion(said, 0.0123), HOSTILE: Opinion(Result(HOSTILE, HOSTILE, error=HOSTILE))}
    shown = Picture(HOSTILE, b"webp", HOSTILE, ("net", HOSTILE), opinions).html()
    shown += models(HOSTILE, Sight({}, {HOSTILE: HOSTILE}))
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert shown.count("&lt;script&gt;") >= 8
    assert "12.3 ms" in shown


def test_what_is_not_answered_yet_is_shown_as_asked() -> None:
    said = Opinion(Result("x", "a", "1", (Prediction(0, "cat", 0.5, 1.0),)), 0.1)
    shown = Picture("x", None, "", ("a", "b"), {"a": said}).html()
    assert re.findall(r'data-model="(\w)"', shown) == ["a", "b"]
    assert shown.count("asked…") == 1
    assert "first class" not in shown

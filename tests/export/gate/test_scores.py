"""What a module's scores are is seen from their values, and settled with what the spec says."""

import numpy as np
import pytest

from tritonrepo.client.decode import Scores, softmax
from tritonrepo.client.errors import UsageError
from tritonrepo.export.gate.scores import seen, settle

LOGITS = np.random.default_rng(0).normal(0, 2, (12, 10))
LIKELY = softmax(LOGITS)
SIGMOID = 1 / (1 + np.exp(-LOGITS))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (LOGITS, "logits"),
        (LOGITS - 50, "logits"),
        (LIKELY, "probabilities"),
        (LIKELY.astype(np.float16), "probabilities"),
        (softmax(LOGITS * 100), "probabilities"),
        (softmax(LOGITS[:, :2]), "probabilities"),
        (np.log(LIKELY), "log-probabilities"),
        (np.log(LIKELY).astype(np.float16), "log-probabilities"),
        (SIGMOID, "independent"),
        (SIGMOID / 1e3, "independent"),
        (LIKELY * 2, "logits"),
        (LIKELY - 1e-2, "logits"),
        (np.where(LOGITS > 2, -np.inf, LOGITS), "logits"),
        (np.log(softmax(np.where(LOGITS > 2, -100, LOGITS))), "log-probabilities"),
    ],
)
def test_the_kind_is_seen(values: np.ndarray, kind: Scores) -> None:  # type: ignore[type-arg]
    assert seen(values) == kind


def test_one_row_that_does_not_fit_makes_logits() -> None:
    values = LIKELY.copy()
    values[7, 0] = 1.5
    assert seen(values) == "logits"


def test_the_spec_has_the_last_word_where_the_values_allow_it() -> None:
    assert settle(None, SIGMOID) == "independent"
    assert settle("logits", SIGMOID) == "logits"
    assert settle("independent", LIKELY) == "independent"
    for stated in ("probabilities", "log-probabilities", "independent"):
        with pytest.raises(UsageError, match=f"the spec says that the scores are {stated}, and they cannot be"):
            settle(stated, LOGITS)

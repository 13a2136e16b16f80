"""What a caller may not choose."""

from __future__ import annotations

import math

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, "0.5"])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold is"):
        Options(threshold=threshold)
    assert (Options(threshold=0).threshold, Options(threshold=1).threshold) == (0, 1)


def test_the_servers_choice_of_classes_knows_no_threshold() -> None:
    with pytest.raises(UsageError, match="needs the score of every class"):
        Options(threshold=0.5, server_top=True)

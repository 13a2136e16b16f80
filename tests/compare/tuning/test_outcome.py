"""What a search found: the front, and what is shown of it."""

from __future__ import annotations

from tests.compare.tuning.outcomes import BEST, NOW, QUICK, TUNED


def test_the_front_is_what_no_other_beats_in_both() -> None:
    assert TUNED.front == (QUICK, BEST)
    assert TUNED.shown == [QUICK, BEST, NOW]

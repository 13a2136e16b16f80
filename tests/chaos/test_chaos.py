"""A short chaos: each event once."""

from pathlib import Path

import pytest

from tests.chaos.events import EVENTS, raise_chaos
from tests.chaos.served import make_repository

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_a_server_recovers_from_each_event_and_its_client_loses_nothing(tmp_path: Path) -> None:
    rows, work, left = raise_chaos(make_repository(tmp_path / "models"), seed=1, count=len(EVENTS))
    assert {name: (row.done, len(row.seconds), row.left) for name, row in rows.items()} == dict.fromkeys(
        EVENTS, (1, 1, [])
    )
    assert work.answers > 0
    assert (work.errors, work.wrong, left) == ([], 0, [])

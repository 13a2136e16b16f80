"""A short chaos: each event once."""

import subprocess
import sys

import pytest

from tests.chaos.events import EVENTS

pytestmark = [pytest.mark.live, pytest.mark.slow]


def test_a_server_recovers_from_each_event_and_its_client_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--each", "1", "--seed", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(" | ")[:3] for line in done.stdout.splitlines() if line.startswith("| ")][2:] == [
        [f"| {name}", "1", "1"] for name in EVENTS
    ]
    assert "0 errors, 0 wrong. Left behind at the end: 0." in done.stdout

"""A short chaos: one event of each nature; a killed stub and server are among those of a shortage and of the port."""

import subprocess
import sys

import pytest

from tests.chaos.events import EVENTS

pytestmark = [pytest.mark.live, pytest.mark.slow]


SOME = (
    "a request that ends the server",
    "shared memory full",
    "the client's shared memory full",
    "port taken",
    "clock stepped by an hour",
)


def test_a_server_recovers_from_each_event_and_its_client_loses_nothing() -> None:
    words = ["--each", "1", "--seed", "1", "--patience", "2", "--only", ",".join(SOME)]
    done = subprocess.run([sys.executable, "-m", "tests.chaos", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(" | ")[:3] for line in done.stdout.splitlines() if line.startswith("| ")][2:] == [
        [f"| {name}", "1", "1"] for name in EVENTS if name in SOME
    ]
    assert "0 errors, 0 wrong. Left behind at the end: 0." in done.stdout

"""The progress bar: there on a terminal, absent in a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.programs import on_a_terminal
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("photographs")
    for number in range(300):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / f"{number:03}.png")
    return directory


def command(photographs: Path, server: TritonServer, *words: str) -> list[str]:
    url = ["--url", server.grpc_url, "--batch-size", "1", "--concurrency", "1"]
    return [sys.executable, "-m", "tritonrepo", "classify", str(photographs), *url, *words]


@pytest.mark.parametrize("output", [True, False], ids=["table on the terminal", "output to a file"])
def test_a_terminal_sees_a_bar_with_rate_and_remaining_time(
    tiny_server: TritonServer, photographs: Path, output: bool
) -> None:
    status, seen = on_a_terminal(command(photographs, tiny_server), output=output)
    assert status == 0
    assert "/300" in seen
    assert "images/s" in seen
    assert seen.count("004.png") == (1 if output else 0)


def test_a_pipe_sees_none(tiny_server: TritonServer, photographs: Path) -> None:
    done = subprocess.run(command(photographs, tiny_server, "--format", "json"), capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 300
    assert "images/s" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_reader_that_leaves_is_no_traceback(tiny_server: TritonServer, photographs: Path) -> None:
    words = command(photographs, tiny_server, "--format", "json")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        errors = process.stderr.read()
    assert process.wait() == 1
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors

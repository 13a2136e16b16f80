"""The demo, where it does not run to its end. `make demo` itself takes minutes, and is a command of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import heed_interrupts

ROOT = Path(__file__).parents[2]


def test_an_interrupted_demo_ends_with_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "examples.demo"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "network and weights" in line:
                break
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: the demo and the command that it runs
        rest = demo.stdout.read()
    assert demo.returncode == 130
    assert "Traceback" not in rest
    assert "interrupted" in rest

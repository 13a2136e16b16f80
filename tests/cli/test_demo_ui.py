"""`tritonrepo demo-ui`: what it refuses before it shows a page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tritonrepo.cli.main import main
from tritonrepo.serve.ports import bind


def test_the_package_that_is_missing_is_named() -> None:
    script = (
        "import sys\nsys.modules['nicegui'] = None\nfrom tritonrepo.cli.main import main\nsys.exit(main(['demo-ui']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3, done.stderr
    assert "the package nicegui is not installed: pip install" in " ".join(done.stderr.split())
    assert "[demo-ui]" in done.stderr


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with bind(0) as taken:
        port = taken.getsockname()[1]
        assert main(["demo-ui", "--port", str(port)]) == 3
    assert f"port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [("--shared-memory", "leave out --shared-memory"), ("--url ftp://host", "Triton speaks gRPC and HTTP, not ftp")],
)
def test_words_that_make_no_sense_are_refused(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo-ui", *words.split()]) == 2
    assert said in capsys.readouterr().err

"""What importing the client brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tritonrepo import client


def loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after the statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_command_needs_neither_torch_nor_the_other_rooms() -> None:
    assert not loaded("import tritonrepo.cli.main, tritonrepo.cli.classify") & {
        "torch",
        "onnx",
        "onnxruntime",
        "export",
        "serve",
    }


def test_preprocessing_needs_no_network_library() -> None:
    assert not loaded("import tritonrepo.client.preprocess") & {"grpc", "tritonclient", "gevent", "rich", "urllib3"}


def test_the_interface_is_what_it_lists() -> None:
    for name in client.__all__:
        assert getattr(client, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = client.Nonsense

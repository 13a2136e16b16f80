"""Which TensorRT is here, and what is said where there is none."""

from pathlib import Path

import pytest
import torch

from tritonrepo.client.errors import MissingError
from tritonrepo.export.tensorrt import library

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="this machine has an NVIDIA GPU, and TensorRT's place"
)


def test_without_a_gpu_and_a_compiler_the_remedies_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "COMPILER", "a_compiler_that_is_not_installed")
    with pytest.raises(MissingError, match=r"needs an NVIDIA GPU.*pip install .*\[tensorrt-check\]"):
        library.find_tensorrt()


def test_bindings_without_their_libraries_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bindings_alone.py").write_text("raise ImportError('libnvinfer.so.11: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(library, "COMPILER", "bindings_alone")
    with pytest.raises(MissingError, match=r"bindings_alone .* libnvinfer\.so\.11.* make export-gpu"):
        library.find_tensorrt()

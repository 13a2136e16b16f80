"""Packages in the stand-in for Triton's pytorch backend: what it refuses before it loads machine code."""

from pathlib import Path

import pytest

from tests.repository.packages import package, program
from tests.serve.models import configuration, tensor
from tritonrepo.repository import package as packages
from tritonrepo.serve.backends.pytorch.aoti import CompiledPackage, require_ordinals
from tritonrepo.serve.backends.settings import ConfigurationError

ORDINALS = {"input": [tensor("INPUT__0", [3])], "output": [tensor("OUTPUT__0", [3])]}


def test_tensors_have_the_official_backends_names() -> None:
    two = configuration("pytorch", input=[tensor("INPUT__1", [3]), tensor("INPUT__0", [3])])
    assert require_ordinals(two, "input") == ["INPUT__0", "INPUT__1"]
    with pytest.raises(ConfigurationError, match=r'Output "Y" is not found in the output map .* name it OUTPUT__0'):
        require_ordinals(two, "output")


def test_a_program_is_no_package(tmp_path: Path) -> None:
    config = configuration("pytorch", **ORDINALS)
    with pytest.raises(ConfigurationError, match="is no AOTInductor package but an exported program"):
        CompiledPackage(program(tmp_path / "model.pt2"), config)


def test_machine_code_that_would_end_the_process_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "cpu_flags", lambda: frozenset({"sse2"}))
    with pytest.raises(ConfigurationError, match=r"compiled for x86-64-v3 \(AVX2\), and the CPU here has no avx2"):
        CompiledPackage(package(tmp_path / "model.pt2"), configuration("pytorch", **ORDINALS))

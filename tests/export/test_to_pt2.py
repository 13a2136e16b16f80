"""AOTInductor packages: what is refused before a compiler runs. What it compiles is in tests/live/test_pt2.py."""

import platform
from pathlib import Path

import pytest
import torch

from tests import factories
from tritonrepo.client.errors import MissingError
from tritonrepo.export import to_pt2
from tritonrepo.export.errors import ConversionError
from tritonrepo.export.options import CPU_ISAS, Options
from tritonrepo.repository import package
from tritonrepo.repository.formats import PT2

SHAPE = (3, factories.SIDE, factories.SIDE)


def of(isa: str) -> Options:
    """An export for this kind of CPU."""
    return Options("any", None, (PT2,), Path("models"), cpu_isa=isa)


def test_a_missing_compiler_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match=r"pt2: the C\+\+ compiler g\+\+ is missing, .*apt-get install g\+\+"):
        to_pt2.require(of("native"))


def test_another_compiler_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingError, match="no-such-compiler is missing"):
        to_pt2.require(of("native"))
    monkeypatch.setenv("CXX", "sh")
    to_pt2.require(of("native"))


def test_what_could_not_be_verified_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "sh")
    monkeypatch.setattr(package, "cpu_flags", lambda: frozenset({"avx2"}))
    with pytest.raises(
        MissingError, match=r"for x86-64-v3 could not be .*: the CPU here has no bmi2, f16c, fma, movbe"
    ):
        to_pt2.require(of("x86-64-v3"))
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(MissingError, match=r"the CPU here is of the kind aarch64; .*--cpu-isa native"):
        to_pt2.require(of("x86-64-v3"))
    to_pt2.require(of("native"))


def test_every_isa_has_its_vectors() -> None:
    assert tuple(to_pt2.VECTOR_BITS) == CPU_ISAS


def test_a_branch_on_a_value_is_refused_in_a_line(tmp_path: Path) -> None:
    module, _ = factories.data_dependent()
    with pytest.raises(
        ConversionError, match=r"PT2: .*factories\.py, line \d+: if float\(x\.sum\(\)\) > 1e9"
    ) as caught:
        to_pt2.convert(module, SHAPE, tmp_path / "model.pt2", 4, "x86-64-v3")
    assert len(str(caught.value)) < 1000


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_module_of_torch_jit_is_refused_by_name(tmp_path: Path) -> None:
    traced = torch.jit.trace(factories.network(), torch.zeros(2, *SHAPE))  # type: ignore[no-untyped-call]
    with pytest.raises(ConversionError, match=r"compiled by torch\.jit, .*--formats torchscript"):
        to_pt2.convert(traced, SHAPE, tmp_path / "model.pt2", 4, "x86-64-v3")


def test_what_is_no_package_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no AOTInductor package"):
        to_pt2.load(tmp_path / "model.pt2")

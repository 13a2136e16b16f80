"""What a package says of itself, and what the CPU here lacks for it."""

from pathlib import Path

import pytest
import torch

from tests.repository.packages import archive, package, program
from tritonrepo.repository import package as packages
from tritonrepo.repository.package import NoPackageError, PackageFacts, is_package, lacking, read_facts

AVX2 = frozenset({"avx2", "bmi2", "f16c", "fma", "movbe", "sse4_2"})


def test_a_package_says_what_it_was_compiled_for(tmp_path: Path) -> None:
    facts = read_facts(package(tmp_path / "model.pt2"))
    assert facts == PackageFacts("cpu", "AVX2", "", "2.13.0+cpu", "x86-64-v3", 8, "FP32 [3, 32, 32]")
    assert facts.cpu == "x86-64-v3 (AVX2)"


def test_a_package_of_another_program_leaves_some_of_it_empty(tmp_path: Path) -> None:
    path = package(tmp_path / "model.pt2", torch=None, cpu_isa=None, largest_batch=None, input=None)
    assert read_facts(path) == PackageFacts("cpu", "AVX2", "", "", "", 0, "")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_bytes(b"TorchScript?"), "it is no ZIP file, or is cut off"),
        (lambda path: path.write_bytes(package(path).read_bytes()[:-30]), "it is no ZIP file, or is cut off"),
        (program, "is no AOTInductor package but an exported program of torch.export.save"),
        (lambda path: archive(path, {"data.pkl": ""}), "is no AOTInductor package but another archive"),
        (lambda path: package(path, largest_batch="many"), "is no whole AOTInductor package: invalid literal"),
    ],
)
def test_what_is_no_package_is_named(write: object, said: str, tmp_path: Path) -> None:
    write(tmp_path / "model.pt2")  # type: ignore[operator]
    with pytest.raises(NoPackageError, match=said):
        read_facts(tmp_path / "model.pt2")


def test_a_package_and_a_program_are_told_apart(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    torch.export.save(torch.export.export(network, (torch.zeros(2, 3),)), tmp_path / "real.pt2")
    (tmp_path / "text.pt2").write_text("text")
    paths = (package(tmp_path / "a.pt2"), program(tmp_path / "b.pt2"), tmp_path / "real.pt2", tmp_path / "text.pt2")
    assert list(map(is_package, paths)) == [True, False, False, False]
    with pytest.raises(NoPackageError, match="an exported program"):
        read_facts(tmp_path / "real.pt2")


@pytest.mark.parametrize(
    ("changes", "flags", "missing"),
    [
        ({}, AVX2, ()),
        ({}, AVX2 - {"fma"}, ("fma",)),
        ({"cpu_isa": "x86-64-v4"}, AVX2, ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
        ({"cpu_isa": "native"}, AVX2 - {"avx2"}, ("avx2",)),
        (
            {"cpu_isa": None, "AOTI_CPU_ISA": "AVX512 AVX512_VNNI"},
            AVX2,
            ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
        ),
        ({"cpu_isa": None, "AOTI_CPU_ISA": "asimd"}, AVX2, ()),
        ({"cpu_isa": "x86-64-v4"}, frozenset(), ()),
    ],
)
def test_what_the_cpu_here_lacks(
    changes: dict[str, str | None],
    flags: frozenset[str],
    missing: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "cpu_flags", lambda: flags)
    assert lacking(read_facts(package(tmp_path / "model.pt2", **changes))) == missing


def test_the_cpu_here_is_known() -> None:
    assert {"fpu", "sse2"} <= packages.cpu_flags() or "asimd" in packages.cpu_flags()

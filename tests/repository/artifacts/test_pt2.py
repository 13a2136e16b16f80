"""AOTInductor packages that Triton's pytorch backend would refuse, or that would end it."""

from pathlib import Path
from typing import Any

import pytest

from tests.repository.faults import edit_config, failures
from tests.repository.manifests import manifest_of
from tests.repository.packages import package, program
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository import package as packages
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.config import model_config, to_text
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.formats import PT2
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import ModelSpec

SPEC = ModelSpec("tiny", labels=("a", "b"), preprocessing=Preprocessing(36, 32))
NAME = "tiny_pt2"


def publish(root: Path, **changes: Any) -> Path:
    """A repository with a package that says it was compiled for something."""
    with open_repository(root) as repository:
        path = package(repository.workspace(NAME) / PT2.filename, **changes)
        config = to_text(model_config(SPEC, PT2, Serving(8), Weights("seeded 0", "0" * 64, trained=False)))
        manifest = manifest_of(path, model=NAME, format="pt2")
        repository.publish([Candidate(NAME, path, config, SPEC.labels, manifest)], keep=2)
    return root


@pytest.fixture(autouse=True)
def a_cpu_with_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "cpu_flags", lambda: frozenset(packages.FLAGS["x86-64-v3"]))


def test_a_sound_package_is_described_beside_the_server(models: Path) -> None:
    found = examine_repository(publish(models), "26.11")
    assert [(finding.level, finding.subject) for finding in found] == [("ok", NAME), ("note", f"{NAME}/1")]
    assert "PyTorch 2.13.0+cpu for cpu, x86-64-v3 (AVX2); the embedded server here runs PyTorch 2" in found[1].text
    assert "the image of Triton 26.11 its own" in found[1].text


@pytest.mark.parametrize(("release", "text"), [("26.06", "does not batch"), ("25.12", "does not batch"), ("26.07", "")])
def test_releases_before_26_07_do_not_batch(models: Path, release: str, text: str) -> None:
    found = failures(publish(models), release)
    assert [subject for subject, _ in found] == ([f"{NAME}/1"] if text else [])
    assert all(text in said for _, said in found)
    edit_config(models, "max_batch_size: 8", "", NAME)
    assert failures(models, release) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"AOTI_DEVICE_KEY": "cuda"}, "was compiled for cuda, the configuration places it by KIND_CPU"),
        ({"cpu_isa": "x86-64-v4"}, "for x86-64-v4 (AVX2), and the CPU here has no avx512f"),
        ({"largest_batch": "4"}, "for batches of up to 4, the configuration allows 8"),
        ({"input": "UINT8 [32, 32, 3]"}, "for the input UINT8 [32, 32, 3], the configuration has FP32 [3, 32, 32]"),
        ({"input": "FP32 [3, 64, 64]"}, "for the input FP32 [3, 64, 64], the configuration has FP32 [3, 32, 32]"),
    ],
)
def test_what_does_not_fit_the_server_is_found(models: Path, changes: dict[str, str], text: str) -> None:
    ((subject, said),) = failures(publish(models, **changes))
    assert subject == f"{NAME}/1"
    assert text in said


def test_a_package_for_a_cpu_is_not_left_to_a_gpu(models: Path) -> None:
    edit_config(publish(models), "KIND_CPU", "KIND_GPU", NAME)
    assert "was compiled for cpu, the configuration places it by KIND_GPU" in failures(models)[0][1]


def test_a_program_in_the_place_of_a_package(models: Path) -> None:
    program(publish(models) / NAME / "1" / "model.pt2")
    assert "model.pt2 is no AOTInductor package but an exported program" in failures(models)[-1][1]


def test_a_package_without_its_platform_would_be_taken_for_torchscript(models: Path) -> None:
    edit_config(publish(models), 'platform: "torch_aoti"', "", NAME)
    assert "says platform: '', the artifact is for 'torch_aoti'" in failures(models)[0][1]


def test_the_platform_alone_names_backend_and_file(models: Path) -> None:
    edit_config(publish(models), 'backend: "pytorch"', "", NAME)
    edit_config(models, 'default_model_filename: "model.pt2"', "", NAME)
    assert failures(models) == []

"""Seeded weights, and the choice between them and NVIDIA's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests import factories
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import checkpoint_file, ngc, photographs, weights
from tritonrepo.export.errors import WeightsError
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.manifest import Weights


def ignore(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def fallen_back(tmp_path_factory: pytest.TempPathFactory) -> tuple[Weights, list[str]]:
    """What `auto` takes, and says, where NVIDIA's checkpoint is out of reach."""
    notices: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ngc.CHECKPOINTS, "resnet50", "http://127.0.0.1:1/resnet50.pth.tar")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        _, provenance = weights.load("resnet50", "auto", ignore, notices.append)
    return provenance, notices


@pytest.mark.slow
def test_seeded_is_deterministic_sane_and_says_that_it_is_untrained(fallen_back: tuple[Weights, list[str]]) -> None:
    module, first = weights.load("resnet50", "seeded:3", ignore, ignore)
    _, again = weights.load("resnet50", "seeded:3", ignore, ignore)
    assert first == again
    assert first.sha256 != fallen_back[0].sha256
    assert not first.trained
    assert not module.training
    with torch.inference_mode():
        logits = module(torch.from_numpy(photographs.batch(photographs.find(), Preprocessing(), 12))).numpy()
    spread = logits.std(axis=0).mean()
    assert 0.05 < spread < 5  # the images are told apart, and nothing explodes
    assert len(np.unique(logits.argmax(axis=1))) > 1


@pytest.mark.parametrize("source", ["seeded:", "seeded:-1", "seeded:x", f"seeded:{2**63}"])
def test_a_bad_seed_is_refused(source: str) -> None:
    if source == "seeded:":
        assert weights.seed(source) == 0
        return
    with pytest.raises(UsageError, match="whole number"):
        weights.load("resnet50", source, ignore, ignore)


@pytest.mark.slow
def test_auto_falls_back_and_says_why(fallen_back: tuple[Weights, list[str]]) -> None:
    provenance, notices = fallen_back
    assert not provenance.trained
    assert "refused" in notices[0]
    assert "untrained" in notices[0]


def test_ngc_does_not_fall_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ngc.CHECKPOINTS, "resnet50", "http://127.0.0.1:1/resnet50.pth.tar")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MissingError, match="--weights PATH"):
        weights.load("resnet50", "ngc", ignore, ignore)


def test_a_file_is_trained_and_hashed(tmp_path: Path) -> None:
    torch.save(factories.network(5).state_dict(), tmp_path / "w.pth")
    found = checkpoint_file.read(tmp_path / "w.pth", 1 << 20, False, ignore)
    module, provenance = weights.from_tensors(factories.network(), found, pytest.fail)
    assert provenance == Weights("file w.pth", sha256(tmp_path / "w.pth"), trained=True)
    assert torch.equal(module.state_dict()["0.weight"], factories.network(5).state_dict()["0.weight"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_of_another_precision_are_made_float32_and_it_is_said(dtype: torch.dtype, tmp_path: Path) -> None:
    source = factories.network(5).to(dtype)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    found, notices = checkpoint_file.read(tmp_path / "w.pth", 1 << 20, False, ignore), list[str]()
    module, _ = weights.from_tensors(factories.network(), found, notices.append)
    assert notices == [f"parameters of {dtype} are made float32, in which every model is exported"]
    assert torch.equal(module.state_dict()["0.weight"], source.state_dict()["0.weight"].float())


def test_weights_that_are_not_finite_are_refused() -> None:
    module, _ = factories.not_a_number()
    with pytest.raises(WeightsError, match=r"7\.bias holds NaN"):
        weights.of_module(module, "factory", trained=True)


def test_a_checkpoint_that_is_not_finite_is_refused_by_its_key(tmp_path: Path) -> None:
    """As a training run leaves it that diverged."""
    state = factories.network().state_dict()
    state["0.weight"][0, 0, 0, 0] = float("inf")
    torch.save(state, tmp_path / "w.pth")
    found = checkpoint_file.read(tmp_path / "w.pth", 1 << 20, False, ignore)
    with pytest.raises(WeightsError, match=r"w\.pth: 0\.weight holds NaN or infinity"):
        weights.from_tensors(factories.network(), found, ignore)


def test_a_mask_may_hold_infinity() -> None:
    module = factories.network()
    module.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))
    assert weights.of_module(module, "factory", trained=True).trained
    module.register_buffer("mask", torch.full((2, 2), float("nan")))
    with pytest.raises(WeightsError, match="mask holds NaN"):
        weights.of_module(module, "factory", trained=True)

"""TorchScript archives that Triton's pytorch backend would refuse."""

import zipfile
from pathlib import Path

import pytest
import torch

from tests.repository.faults import assert_found
from tritonrepo.repository.artifacts import torchscript

ARTIFACT = "tiny_torchscript/1/model.pt"


@pytest.mark.parametrize("size", [0, 4, 1000])
def test_a_file_that_is_cut_off(root: Path, size: int) -> None:
    (root / ARTIFACT).write_bytes((root / ARTIFACT).read_bytes()[:size])
    assert_found(root, "tiny_torchscript/1", "model.pt is not a TorchScript archive: it is no ZIP file")


def test_a_state_dictionary(root: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, root / ARTIFACT)
    assert_found(root, "tiny_torchscript/1", "model.pt is not a TorchScript archive: torch.save wrote it")


def test_the_archive_of_an_old_release_is_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/model.json", "{}")
    assert list(torchscript.examine(tmp_path / "model.pt")) == []

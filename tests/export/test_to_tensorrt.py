"""The engine as a format: compiled and reported without a GPU, and what the manifest records of one."""

from pathlib import Path

import pytest
import torch

from tests.conftest import TINY_SIDE, tiny_module
from tritonrepo.export import to_tensorrt
from tritonrepo.export.errors import NotPublishableError
from tritonrepo.export.options import EngineOptions
from tritonrepo.export.tensorrt.engine import Engine
from tritonrepo.export.tensorrt.library import Environment

SHAPE = (3, TINY_SIDE, TINY_SIDE)
BATCHES = (1, 4, 8)
OPTIONS = EngineOptions()


def test_the_manifest_records_the_gpu_and_not_what_a_compile_check_was_for() -> None:
    engine = Engine(b"plan", layers=12, fp16_layers=10, convolutions=2, fp16_convolutions=2)
    here = Environment("11.4.0.106", "NVIDIA H100", "9.0", None)
    facts = to_tensorrt.describe(engine, OPTIONS, here)
    assert (facts.tensorrt, facts.gpu, facts.compute_capability, facts.triton_release) == (
        "11.4.0.106",
        "NVIDIA H100",
        "9.0",
        None,
    )
    assert (facts.layers, facts.fp16_convolutions, facts.workspace_mib) == (12, 2, OPTIONS.workspace_mib)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has an NVIDIA GPU, and builds a real engine")
def test_without_a_gpu_it_compiles_and_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(
        NotPublishableError, match=r"compiles: \d+ layers, .*2 of 2 convolutions.* needs a GPU"
    ) as raised:
        to_tensorrt.convert(tiny_module(), SHAPE, tmp_path / "model.plan", BATCHES, OPTIONS)
    assert raised.value.exit_status == 3
    assert not (tmp_path / "model.plan").exists()

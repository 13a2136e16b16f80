"""Artifacts run in a process that knows nothing of the user's code."""

import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from tests import factories
from tests.conftest import wait_until
from tests.export.gate.modules import SHAPE, around, make_images
from tests.exporting import CONTEXT
from tests.zoo.wrong import register_an_operator
from tritonrepo.export import to_onnx, to_torchscript
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate.fresh import FreshProcess

pytestmark = pytest.mark.slow

IMAGES = make_images()[:5]


@pytest.fixture(scope="module")
def process() -> Iterator[FreshProcess]:
    with FreshProcess(["torchscript", "onnx"]) as process:
        yield process


@pytest.mark.parametrize(("name", "converter"), [("torchscript", to_torchscript), ("onnx", to_onnx)])
def test_it_gives_what_the_artifact_gives(name: str, converter: object, process: FreshProcess, tmp_path: Path) -> None:
    module = factories.network()
    converter.convert(module, SHAPE, tmp_path / "model")  # type: ignore[attr-defined]
    with torch.inference_mode():
        wanted = module(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(process.load(name, tmp_path / "model")(IMAGES), wanted, atol=1e-5)


def test_an_operator_that_only_this_process_knows_is_found(process: FreshProcess, tmp_path: Path) -> None:
    register_an_operator()
    to_torchscript.convert(around(lambda x, scores: torch.ops.zoo.swish(scores)), SHAPE, tmp_path / "model")
    to_torchscript.load(tmp_path / "model")(IMAGES)  # here it loads and runs
    with pytest.raises(VerificationError, match=r"the operator zoo::swish is registered by code that"):
        process.load("torchscript", tmp_path / "model")


def test_a_file_that_is_no_artifact_is_refused_in_a_line(process: FreshProcess, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"nothing")
    for name in ("torchscript", "onnx"):
        with pytest.raises(VerificationError, match=f"^{name}: its own runtime cannot load it: [^\n]+$"):
            process.load(name, tmp_path / "model")


def test_a_failing_batch_raises_what_the_runtime_says(process: FreshProcess, tmp_path: Path) -> None:
    to_onnx.convert(factories.network(), SHAPE, tmp_path / "model")
    run = process.load("onnx", tmp_path / "model")
    with pytest.raises(Exception, match="dimensions"):
        run(IMAGES[:, :2].copy())
    assert run(IMAGES).shape == (5, factories.CLASSES)


def test_a_process_that_an_artifact_kills_is_said_and_the_next_artifact_has_another(
    process: FreshProcess, tmp_path: Path
) -> None:
    to_torchscript.convert(factories.network(), SHAPE, tmp_path / "model")
    run = process.load("torchscript", tmp_path / "model")
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(VerificationError, match=r"died of it .SIGKILL., and a server would too"):
        run(IMAGES)
    assert process.load("torchscript", tmp_path / "model")(IMAGES).shape == (5, factories.CLASSES)


def test_it_imports_nothing_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the user\\'s own numpy')")
    (tmp_path / "nothing.onnx").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with (
        FreshProcess(["onnx"]) as process,
        pytest.raises(VerificationError, match="its own runtime cannot load it"),
    ):
        process.load("onnx", Path("nothing.onnx"))


def hold(connection: Connection) -> None:
    """Start a process, and wait to be killed."""
    process = FreshProcess(["torchscript"])
    connection.send(process._process.pid)
    connection.recv()


def test_it_ends_at_once_when_its_parent_is_killed() -> None:
    """Also one that can notice nothing by itself: it stands still in the middle of its imports."""
    ours, theirs = CONTEXT.Pipe()
    parent = CONTEXT.Process(target=hold, args=(theirs,))
    parent.start()
    child = psutil.Process(ours.recv())
    wait_until(lambda: any("torch" in mapped.path for mapped in child.memory_maps()))
    child.suspend()
    parent.kill()
    assert psutil.wait_procs([child], timeout=10)[1] == []
    parent.join()
    ours.close()
    theirs.close()

"""Fixtures that the tests share: a tiny model repository, the embedded Triton over it, and an object store."""

import fcntl
import itertools
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests import azurite, gcs
from tests.objectstore import CREDENTIALS, make_bucket, object_store
from tritonrepo.repository.store.address import Address
from tritonrepo.serve.triton import TritonServer

if TYPE_CHECKING:
    import torch

# For this process and all that it starts: the tests' networks are tiny, and each core has a worker of pytest-xdist.
os.environ.setdefault("OMP_NUM_THREADS", "1")
BUCKETS = itertools.count(1)
CLOUDS = {"s3": "bucket", "gs": "google_bucket"} | ({"as": "azure_bucket"} if azurite.PROGRAM in os.environ else {})
"""The fixture of each kind of object store. Azure's is there where `make stores` says so."""
TINY_SIDE = 32
TINY_LABELS = ("ant", "bee", "cat, domestic", "dog", "eel", "fox: red", "gnu", "hen", "ibis", "jay")
TINY_PREPROCESSING = (
    '{"resize":36,"crop":32,"interpolation":"bilinear","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],'
    '"layout":"NCHW","dtype":"FP32"}'
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that what can fail fast does."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("live", "slow")])


@contextmanager
def beside(work: Callable[[], object], ended: threading.Event) -> Iterator[None]:
    """Have work done in a thread until the block ends, which the event tells it."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Poll until `condition()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.02)


class ShortLived(TritonServer):
    """The embedded Triton, for tests whose clients have all their answers when it stops: it is killed then.

    Else Triton takes seconds to unload the models, and waits for connections of HTTP, even those that were closed.
    """

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            if self.pid and (server := psutil.Process(self.pid)).name() == "tritonserver":
                server.kill()
        super().stop()


@contextmanager
def running(servers: Sequence[TritonServer]) -> Iterator[None]:
    """Servers that start at the same time, and stop so when the block ends."""
    with ThreadPoolExecutor() as pool:
        try:
            list(pool.map(lambda server: server.start(), servers))
            yield
        finally:
            list(pool.map(lambda server: server.stop(), servers))


def heed_interrupts() -> None:
    """A test run in the background of a shell ignores SIGINT, one under nohup SIGHUP; children would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def traces(directory: Path, *processes: psutil.Process) -> list[str]:
    """What is left of a server: its processes, its shared memory, its temporary directory."""
    alive = [str(process) for process in processes if process.is_running()]
    regions = [str(region) for region in Path("/dev/shm").glob(f"{directory.name}*")]
    return alive + regions + [str(path) for path in (directory,) if path.exists()]


def tiny_config(name: str, backend: str, filename: str) -> str:
    """config.pbtxt of the tiny model, as the contract between export, serve and client has it."""
    preprocessing = TINY_PREPROCESSING.replace('"', '\\"')
    return f"""
name: "{name}"
backend: "{backend}"
default_model_filename: "{filename}"
max_batch_size: 8
input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3, {TINY_SIDE}, {TINY_SIDE} ] }}
output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ {len(TINY_LABELS)} ] label_filename: "labels.txt" }}
instance_group {{ kind: KIND_AUTO count: 1 }}
dynamic_batching {{ }}
parameters {{ key: "preprocessing" value {{ string_value: "{preprocessing}" }} }}
parameters {{ key: "trained" value {{ string_value: "false" }} }}
parameters {{ key: "weights" value {{ string_value: "{{\\"source\\":\\"seeded\\",\\"seed\\":0}}" }} }}
"""


def tiny_module() -> "torch.nn.Module":
    """A seeded convolutional network: FP32 [N, 3, H, W] -> FP32 [N, 10]; no weight is trained."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, len(TINY_LABELS)),
        ).eval()


def export_tiny_onnx(path: Path) -> None:
    """By the old exporter, which needs a fortieth of the other's time, a session's for each worker of the tests."""
    import torch

    names = {"INPUT__0": {0: "batch"}, "OUTPUT__0": {0: "batch"}}
    batch = torch.zeros(2, 3, TINY_SIDE, TINY_SIDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It is deprecated.
        torch.onnx.export(
            tiny_module(), (batch,), str(path), input_names=["INPUT__0"], output_names=["OUTPUT__0"],
            dynamic_axes=names, dynamo=False,
        )  # fmt: skip


def export_tiny_torchscript(path: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and Triton's pytorch backend needs it.
        traced = torch.jit.trace(tiny_module(), torch.zeros(2, 3, TINY_SIDE, TINY_SIDE))  # type: ignore[no-untyped-call]
    traced.save(str(path))


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A directory that `make` fills in one worker of pytest-xdist, for all of them."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / name).exists():
            make(shared / f"{name}.new")
            (shared / f"{name}.new").rename(shared / name)
    return shared / name


def make_tiny_repository(repository: Path) -> None:
    for name, backend, filename, export in (
        ("tiny_onnx", "onnxruntime", "model.onnx", export_tiny_onnx),
        ("tiny_torchscript", "pytorch", "model.pt", export_tiny_torchscript),
    ):
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version.parent / "config.pbtxt").write_text(tiny_config(name, backend, filename))
        (version.parent / "labels.txt").write_text("".join(f"{label}\n" for label in TINY_LABELS))
        export(version / filename)


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository of the tiny model as tiny_onnx and tiny_torchscript. Shared: copy it before changing it."""
    return made_once(tmp_path_factory, "tiny_repository", make_tiny_repository)


@pytest.fixture
def repository(tiny_repository: Path, tmp_path: Path) -> Path:
    """A copy of the tiny repository that a test may change."""
    return Path(shutil.copytree(tiny_repository, tmp_path / "model_repository"))


@pytest.fixture(scope="session")
def tiny_onnx_repository(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny_onnx alone: the process of tiny_torchscript takes seconds to start. Shared: copy it before changing it."""
    repository = tmp_path_factory.mktemp("tiny_onnx") / "model_repository"
    shutil.copytree(tiny_repository / "tiny_onnx", repository / "tiny_onnx")
    return repository


@pytest.fixture(scope="session")
def tiny_server(tiny_repository: Path) -> Iterator[TritonServer]:
    """The embedded Triton over the tiny repository, for the whole session: do not stop it, do not unload its models."""
    with ShortLived(tiny_repository, shared_memory=True) as server:
        yield server
        server.wait(0)  # raises, with the end of its log, if it ended by itself


@pytest.fixture(scope="session")
def quick_exports() -> Iterator[None]:
    """Exports of this process do once what each does by default: `tests.exporting.quick` says what."""
    from tests.exporting import quick

    with quick():
        yield


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of an object store, for the whole session: make buckets of your own."""
    with object_store(tmp_path_factory.mktemp("objects") / "log") as server:
        yield server


@pytest.fixture
def bucket(object_server: str, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A place in a new bucket, with credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return make_bucket(object_server, f"bucket-{next(BUCKETS)}")


@pytest.fixture(scope="session")
def google_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a store that speaks Google's protocols, for the whole session: make buckets of your own."""
    with gcs.google_store(tmp_path_factory.mktemp("google") / "log") as server:
        yield server


@pytest.fixture
def google_bucket(google_server: str, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A place in a new bucket of it, with its address in the environment."""
    for name, value in gcs.environment(google_server).items():
        monkeypatch.setenv(name, value)
    return gcs.make_google_bucket(google_server, f"bucket-{next(BUCKETS)}")


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Azurite, for the whole session: make containers of your own."""
    with azurite.azure_store(tmp_path_factory.mktemp("azure") / "log") as server:
        yield server


@pytest.fixture
def azure_bucket(azure_server: str, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A place in a new container of it, with its address and the credentials in the environment."""
    for name, value in azurite.environment(azure_server).items():
        monkeypatch.setenv(name, value)
    return azurite.make_container(azure_server, f"bucket-{next(BUCKETS)}")

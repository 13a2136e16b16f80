"""start-triton.sh, run with the embedded tritonserver in the place of the image's."""

import contextlib
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from tests import azurite
from tests.conftest import CLOUDS, wait_until
from tests.kills.publisher import MODEL, publish
from tests.kills.releases import prepare
from tritonrepo.repository.store.address import Address
from tritonrepo.serve.installation import find_installation
from tritonrepo.serve.ports import reserve_ports

pytestmark = pytest.mark.live

SCRIPT = Path(__file__).parents[2] / "deploy/start-triton.sh"
PLAN = 'name: "tiny_tensorrt"\nbackend: "tensorrt"\nmax_batch_size: 8\n'
ON_GPU = 'name: "tiny_gpu"\nbackend: "onnxruntime"\ninstance_group { kind : KIND_GPU }\n'
ENSEMBLE = """
name: "tiny_encoded" platform: "ensemble"
ensemble_scheduling { step { model_name: "tiny_tensorrt" model_version: 1 } }
"""
DEADLINE_SECONDS = 60
MODES = [("s3", "MODE_POLL"), *([("as", "MODE_EXPLICIT")] if azurite.DISGUISED in os.environ else [])]
"""Triton's client of Azure's store reaches Azurite in a disguise alone (`make stores`)."""


def add_model(repository: Path, name: str, config: str) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config)


def start(
    repository: Path | Address, directory: Path, mode: str, look_secs: int = 1, **variables: str
) -> tuple[subprocess.Popen[str], int, int]:
    """Start the script with the embedded tritonserver first on PATH; return it and its ports for HTTP and gRPC."""
    installation = find_installation()
    backends = directory / "backends"
    backends.mkdir(exist_ok=True)
    installation.lay_out_backends(backends)
    ports = reserve_ports((0, 0, 0))
    options = [f"--backend-directory={backends}", "--allow-gpu-metrics=false", f"--repository-poll-secs={look_secs}"]
    for name, port in zip(("http", "grpc", "metrics"), ports, strict=True):
        options += [f"--{name}-address=127.0.0.1", f"--{name}-port={port}"]
    program = directory / "bin"
    program.mkdir()
    (program / "tritonserver").symlink_to(installation.server)
    environment = installation.environment() | {"MODEL_REPOSITORY": str(repository)} | variables
    environment["PATH"] = f"{program}{os.pathsep}{environment['PATH']}"
    process = subprocess.Popen(
        ["bash", str(SCRIPT), mode, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return process, ports[0], ports[1]


def status(port: int, path: str) -> int:
    with contextlib.suppress(OSError):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
    return 0


def wait_for(port: int, path: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while status(port, path) != 200:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{path} was not 200 within {DEADLINE_SECONDS} s"
        time.sleep(0.05)


@contextlib.contextmanager
def started(repository: Path, directory: Path, mode: str, key: str) -> Iterator[tuple[int, int]]:
    """The script in a mode, over runnable models and three that need a GPU; its ports for HTTP and gRPC."""
    for name, config in (("tiny_tensorrt", PLAN), ("tiny_gpu", ON_GPU), ("tiny_encoded", ENSEMBLE)):
        add_model(repository, name, config)
    process, port, grpc_port = start(repository, directory, mode, TRITON_KEY=key)
    try:
        wait_for(port, "/v2/health/live", process)
        for path in repository.glob("tiny_*/1/model.*"):
            wait_for(port, f"/v2/models/{path.parents[1].name}/ready", process)
        yield port, grpc_port
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_SECONDS)


def test_cpu_mode_leaves_out_what_needs_a_gpu_and_is_healthy(repository: Path, tmp_path: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    with started(repository, tmp_path, "cpu", key="") as (port, grpc_port):
        assert status(port, "/v2/health/ready") == 200
        assert status(port, "/v2/models/tiny_tensorrt/ready") == 400
        check_key(port, grpc_port, opening=[False, False])


def test_gpu_mode_serves_the_rest_but_is_not_healthy_when_a_model_fails(repository: Path, tmp_path: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    with started(repository, tmp_path, "gpu", key="sesame") as (port, grpc_port):
        assert status(port, "/v2/health/ready") == 400, "a plan without a GPU must keep the health check red"
        check_key(port, grpc_port, opening=[True, True])


def refused(repository: Path, mode: str) -> tuple[int, str]:
    environment = os.environ | {"MODEL_REPOSITORY": str(repository)}
    done = subprocess.run(["bash", str(SCRIPT), mode], env=environment, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_repository_with_nothing_for_a_cpu_is_refused(tmp_path: Path) -> None:
    add_model(tmp_path, "tiny_tensorrt", '# backend: "onnxruntime"\nplatform: "tensorrt_plan"\n')
    code, message = refused(tmp_path, "cpu")
    assert code == 3
    assert "publish one with: make export" in message


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "tpu")[0] == 2


def opens(port: int, grpc_port: int, **headers: str) -> list[bool]:
    """Whether the repository index, which is closed, opens to these headers: over HTTP, over gRPC."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v2/repository/index", b"{}", headers)
    try:
        urllib.request.urlopen(request, timeout=5).close()
        over_http = True
    except urllib.error.HTTPError as error:
        error.close()
        over_http = error.code != 403
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
        try:
            client.get_model_repository_index({f"triton-grpc-protocol-{name}": key for name, key in headers.items()})
        except InferenceServerException as error:
            return [over_http, "restricted" not in str(error)]
    return [over_http, True]


def check_key(port: int, grpc_port: int, opening: list[bool]) -> None:
    """Model control needs the key; without one in the environment, nobody has it."""
    assert status(port, "/v2/models/stats") == 200
    assert opens(port, grpc_port) == opens(port, grpc_port, key="") == opens(port, grpc_port, key="other")
    assert opens(port, grpc_port) == [False, False]
    assert opens(port, grpc_port, key="sesame") == opening


@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_a_bucket_is_polled_where_triton_can(
    kind: str, mode: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bucket: Address = request.getfixturevalue(CLOUDS[kind])
    (tmp_path / "1").mkdir()
    prepare(tmp_path / "1", 1)
    publish(bucket, tmp_path / "1")
    process, port, _ = start(bucket, tmp_path, "cpu")
    try:
        wait_for(port, f"/v2/models/{MODEL}/ready", process)
        assert status(port, "/v2/health/ready") == 200
    finally:
        process.terminate()
        output = process.communicate(timeout=DEADLINE_SECONDS)[0]
    assert str(bucket) in output
    assert mode in output


SLOW_CONFIG = 'name: "slow" backend: "python" output { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }'
SLOW = """
import time
from pathlib import Path

class TritonPythonModel:
    def initialize(self, args):
        place = Path(args["model_repository"])
        (place / "begun").touch()
        while not (place / "go").exists():
            time.sleep(0.01)
"""


def test_a_sigterm_during_a_look_at_the_repository_need_not_wait_for_the_next(tmp_path: Path) -> None:
    """A look takes as long as what is new takes to load."""
    model, look_secs = tmp_path / "models/slow", 4
    model.parent.mkdir()
    process, port, _ = start(model.parent, tmp_path, "gpu", look_secs)
    try:
        wait_for(port, "/v2/health/live", process)
        add_model(tmp_path, "slow", SLOW_CONFIG)
        (tmp_path / "slow/1/model.py").write_text(SLOW)
        (tmp_path / "slow").rename(model)
        wait_until((model / "begun").exists)
        process.terminate()
        wait_until(lambda: "sleep" in [child.name() for child in psutil.Process(process.pid).children()])
        (model / "go").touch()
        began = time.monotonic()
        output = process.communicate(timeout=DEADLINE_SECONDS)[0]
        assert time.monotonic() - began < look_secs - 1
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Signal (15) received." in output

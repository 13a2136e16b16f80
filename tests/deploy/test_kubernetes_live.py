"""What the files for Kubernetes and KServe say to tritonserver and ask of it, said to and asked of the real one."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TINY_SIDE, wait_until
from tests.deploy import references
from tests.deploy.building import KSERVE, KUBERNETES, objects_of
from tests.deploy.test_start import DEADLINE_SECONDS, opens, status, wait_for
from tests.objectstore import CREDENTIALS, put
from tritonrepo.client.connection import Connection
from tritonrepo.client.grpc_transport import GrpcTransport
from tritonrepo.client.transport import Inference
from tritonrepo.deploy.store import read_store
from tritonrepo.repository.store.address import Address
from tritonrepo.serve.installation import find_installation
from tritonrepo.serve.ports import reserve_ports

pytestmark = [pytest.mark.live, pytest.mark.slow]

Object = dict[str, Any]
NAMES = ("http", "grpc", "metrics")
KEY = "triton-key"
"""The tests' value of that Secret."""
READY = "/v2/health/ready"


@dataclass
class Pod:
    """A container's command, as a process on this machine.

    Attributes:
        process: tritonserver.
        ports: Its ports here, by their names.
        numbers: The ports' names by the numbers that they have in a pod.
    """

    process: subprocess.Popen[str]
    ports: dict[str, int]
    numbers: dict[str, str]

    def port(self, name: str | int) -> int:
        """The port here of a port there."""
        return self.ports[self.numbers.get(str(name), str(name))]


@contextmanager
def run(
    objects: list[Object],
    repository: Path | None,
    directory: Path,
    secrets: Mapping[str, str] | None = None,
    **changes: str,
) -> Iterator[Pod]:
    """Start what a pod would start.

    Args:
        objects: Of a fleet.
        repository: What is there in the place of a store; None for the store itself.
        directory: For the backends.
        secrets: More variables.
        changes: Of options, `_` for `-`.
    """
    installation = find_installation()
    installation.lay_out_backends(directory)
    ports = dict(zip(NAMES, reserve_ports((0, 0, 0)), strict=True))
    numbers = {references.option(objects, f"{name}-port"): name for name in NAMES}
    options = {"allow-gpu-metrics": "false", "repository-poll-secs": "1"}
    if repository:
        options["model-repository"] = str(repository)
    options |= {f"{name}-port": str(port) for name, port in ports.items()}
    options |= {name.replace("_", "-"): value for name, value in changes.items()}
    words = [word for word in references.words(objects)[1:] if word[2:].partition("=")[0] not in options]
    words += [f"--{name}={value}" for name, value in options.items()]
    words += [f"--backend-directory={directory}", *(f"--{name}-address=127.0.0.1" for name in NAMES)]
    with (directory / "log").open("w+") as log:
        process = subprocess.Popen(
            [installation.server, *words],
            env=installation.environment() | dict(secrets or {}),
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield Pod(process, ports, numbers)
        finally:
            process.terminate()
            process.wait(timeout=DEADLINE_SECONDS)


def text(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def answers(port: int, path: str) -> bool:
    with contextlib.suppress(http.client.HTTPException):
        return status(port, path) == 200
    return False


def unanswered(objects: list[Object], pod: Pod) -> list[str]:
    """What the files ask of tritonserver and it does not answer: probes, pages of metrics, metrics."""
    container = references.container_of(objects)
    asked = [(probe, container[probe]["httpGet"]) for probe in container if probe.endswith("Probe")]
    problems = [f"{who}: {what['path']}" for who, what in asked if not answers(pod.port(what["port"]), what["path"])]
    monitors = references.of_kind(objects, "ServiceMonitor")
    pages = [end for monitor in monitors for end in monitor["spec"]["endpoints"]]
    for runtime in references.of_kind(objects, "ServingRuntime"):
        notes = runtime["spec"]["annotations"]
        pages.append({name: notes[f"prometheus.kserve.io/{name}"] for name in ("port", "path")})
    # On its port for metrics Triton answers 200 to whatever it is asked.
    problems += [
        f"no metrics at {page['path']}" for page in pages if "nv_" not in text(pod.port(page["port"]), page["path"])
    ]
    known = set(re.findall(r"^(nv_\w+)", text(pod.ports["metrics"], "/metrics"), re.MULTILINE))
    for scaler in references.of_kind(objects, "ScaledObject"):
        named = re.findall(r"\bnv_\w+", json.dumps(scaler))
        problems += [f"ScaledObject: {metric}" for metric in named if metric not in known]
    return problems


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    return objects_of(replace(KUBERNETES, scaler="keda"), tmp_path_factory.mktemp("kubernetes"))


@pytest.fixture(scope="module")
def kserve(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    return objects_of(KSERVE, tmp_path_factory.mktemp("kserve"))


@pytest.fixture
def onnx_repository(repository: Path) -> Path:
    """The tiny repository without TorchScript, whose process takes seconds to start."""
    shutil.rmtree(repository / "tiny_torchscript")
    return repository


@pytest.fixture(scope="module")
def pod(kubernetes: list[Object], tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """Its connections are renewed after 0.3 s, and not after minutes."""
    place = tmp_path_factory.mktemp("pod")
    with run(kubernetes, tiny_repository, place, grpc_max_connection_age="300") as pod:
        wait_for(pod.ports["http"], READY, pod.process)
        yield pod


def test_tritonserver_answers_what_kubernetes_asks(kubernetes: list[Object], pod: Pod) -> None:
    assert unanswered(kubernetes, pod) == []
    assert status(pod.ports["http"], "/v2/models/tiny_onnx/ready") == 200
    assert status(pod.ports["http"], "/v2/models/tiny_torchscript/ready") == 200


def probe(objects: list[Object], name: str) -> Object:
    (found,) = references.of_kind(objects, "Deployment")
    wanted: Object = found["spec"]["template"]["spec"]["containers"][0][name]["httpGet"]
    return wanted


def trigger(objects: list[Object]) -> Object:
    (found,) = references.of_kind(objects, "ScaledObject")
    wanted: Object = found["spec"]["triggers"][0]["metadata"]
    return wanted


FAULTS: dict[str, tuple[Callable[[list[Object]], None], str]] = {
    "readiness": (lambda o: probe(o, "readinessProbe").update(path="/v2/health/redy"), "readinessProbe"),
    "liveness": (lambda o: probe(o, "livenessProbe").update(path="/v2/live"), "livenessProbe"),
    "startup": (lambda o: probe(o, "startupProbe").update(port="grpc"), "startupProbe"),
    "metric": (
        lambda o: trigger(o).update(query="sum(nv_inference_pending_requests)"),
        "nv_inference_pending_requests",
    ),
    "monitor": (
        lambda o: references.of_kind(o, "ServiceMonitor")[0]["spec"]["endpoints"][0].update(path="/metric"),
        "no metrics at /metric",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(kubernetes: list[Object], pod: Pod, fault: str) -> None:
    plant, words = FAULTS[fault]
    objects = copy.deepcopy(kubernetes)
    plant(objects)
    (problem,) = unanswered(objects, pod)
    assert words in problem


def test_what_is_closed_takes_the_key(pod: Pod) -> None:
    ports = pod.ports["http"], pod.ports["grpc"]
    assert opens(*ports) == opens(*ports, key="other") == [False, False]
    assert opens(*ports, key=KEY) == [True, True]


def test_a_connection_that_has_lived_long_is_renewed_without_a_lost_request(pod: Pod) -> None:
    images = np.zeros((1, 3, TINY_SIDE, TINY_SIDE), np.float32)
    transport = GrpcTransport(f"dns:///localhost:{pod.ports['grpc']}", Connection())
    end, answered = time.monotonic() + 2, 0
    while time.monotonic() < end:
        transport.infer(Inference("tiny_onnx", "INPUT__0", "OUTPUT__0", images))
        answered += 1
    transport.close()
    assert answered > 10


def publish(repository: Path, version: int, content: bytes | None = None) -> None:
    """Another version of tiny_onnx, whole at once."""
    staged = repository.parent / f"staged-{version}"
    shutil.copytree(repository / "tiny_onnx/1", staged)
    if content is not None:
        (staged / "model.onnx").write_bytes(content)
    staged.rename(repository / f"tiny_onnx/{version}")


def versions(pod: Pod) -> list[str]:
    statistics = json.loads(text(pod.ports["http"], "/v2/models/stats"))
    return [one["version"] for one in statistics["model_stats"] if one["name"] == "tiny_onnx"]


def unavailable(pod: Pod) -> list[str]:
    """The versions that the server has tried to load and could not."""
    url = f"http://127.0.0.1:{pod.ports['http']}/v2/repository/index"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}", {"key": KEY}), timeout=10) as answer:
        index = json.load(answer)
    return [one["version"] for one in index if one.get("state") == "UNAVAILABLE" and one.get("reason") != "unloaded"]


@pytest.mark.parametrize(("strict", "expected"), [(None, 200), ("true", 400)])
def test_a_version_that_cannot_be_loaded_does_not_take_every_pod_out(
    kubernetes: list[Object], onnx_repository: Path, tmp_path: Path, strict: str | None, expected: int
) -> None:
    changes = {"strict_readiness": strict} if strict else {}
    (tmp_path / "backends").mkdir()
    with run(kubernetes, onnx_repository, tmp_path / "backends", None, **changes) as pod:
        port = pod.ports["http"]
        wait_for(port, READY, pod.process)
        publish(onnx_repository, 2)
        wait_until(lambda: versions(pod) == ["2"] or (not strict and status(port, READY) != 200))
        assert versions(pod) == ["2"], "it was not ready while it loaded"
        publish(onnx_repository, 3, b"no graph")
        wait_until(lambda: "3" in unavailable(pod))
        assert status(port, READY) == expected
        assert status(port, "/v2/models/tiny_onnx/ready") == 200


def test_a_pod_that_cannot_load_a_model_at_its_start_ends(
    kubernetes: list[Object], onnx_repository: Path, tmp_path: Path
) -> None:
    (onnx_repository / "tiny_onnx/1/model.onnx").write_bytes(b"no graph")
    (tmp_path / "backends").mkdir()
    with run(kubernetes, onnx_repository, tmp_path / "backends") as pod:
        assert pod.process.wait(timeout=DEADLINE_SECONDS) not in (0, None)


def test_an_option_that_tritonserver_does_not_know_is_found(
    kubernetes: list[Object], tiny_repository: Path, tmp_path: Path
) -> None:
    with run(kubernetes, tiny_repository, tmp_path, strict_rediness="false") as pod:
        assert pod.process.wait(timeout=DEADLINE_SECONDS) not in (0, None)


def test_tritonserver_answers_what_kserve_asks(kserve: list[Object], onnx_repository: Path, tmp_path: Path) -> None:
    (tmp_path / "backends").mkdir()
    with run(kserve, onnx_repository, tmp_path / "backends") as pod:
        wait_for(pod.ports["http"], READY, pod.process)
        assert unanswered(kserve, pod) == []
        assert pod.numbers == {"8080": "http", "9000": "grpc", "8002": "metrics"}
        assert versions(pod) == ["1"]
        assert opens(pod.ports["http"], pod.ports["grpc"]) == [False, False]


def upload(directory: Path, url: str) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            put(f"{url}/{path.relative_to(directory)}", path.read_bytes())


def test_pods_read_a_bucket_and_what_is_published_there(bucket: Address, onnx_repository: Path, tmp_path: Path) -> None:
    prefix = str(bucket).removeprefix("s3://")
    upload(onnx_repository, prefix)
    objects = objects_of(replace(KUBERNETES, store=read_store(str(bucket))), tmp_path / "overlay")
    (secret,) = (source["secretRef"] for source in references.container_of(objects)["envFrom"] if "secretRef" in source)
    assert secret == {"name": "triton-s3", "optional": True}
    (tmp_path / "backends").mkdir()
    with run(objects, None, tmp_path / "backends", CREDENTIALS) as pod:
        wait_for(pod.ports["http"], READY, pod.process)
        assert versions(pod) == ["1"]
        upload(onnx_repository / "tiny_onnx/1", f"{prefix}/tiny_onnx/2")
        wait_until(lambda: versions(pod) == ["2"])

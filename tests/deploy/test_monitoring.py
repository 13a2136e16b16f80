"""Prometheus and Grafana files, against the metrics that the real Triton exposes."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import yaml

from tests.conftest import TINY_SIDE, wait_until
from tests.programs import require
from tritonrepo.serve.ports import reserve_ports
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/triton.json"
# Exposed on a host with a GPU only: the per-GPU table of Triton's metrics documentation.
GPU_METRICS = {
    "nv_gpu_utilization",
    "nv_gpu_memory_total_bytes",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_power_usage",
    "nv_gpu_power_limit",
    "nv_energy_consumption",
}
DEADLINE_SECONDS = 30


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def metric_names(expression: str) -> set[str]:
    return set(re.findall(r"\bnv_\w+", expression))


def scraped(server: TritonServer) -> set[str]:
    with urllib.request.urlopen(server.metrics_url, timeout=10) as answer:
        return set(re.findall(r"^(nv_\w+)", answer.read().decode(), re.MULTILINE))


def test_the_dashboard_shows_what_triton_exposes(tiny_server: TritonServer) -> None:
    shown = set().union(*map(metric_names, expressions()))
    assert shown - scraped(tiny_server) - GPU_METRICS == set()
    assert shown & GPU_METRICS
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    asked = [re.findall(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]) for variable in variables]
    assert asked == [[("nv_inference_count", "model")]]


def test_the_dashboard_covers_throughput_queue_compute_batch_failures_and_gpu() -> None:
    shown = set().union(*map(metric_names, expressions()))
    for part in ("inference_count", "queue_duration", "compute_infer", "exec_count", "request_failure", "gpu_util"):
        assert any(part in name for name in shown), part


def test_panels_are_laid_out_on_the_grid_and_use_the_provisioned_source() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        position = panel["gridPos"]
        cells = {
            (position["x"] + column, position["y"] + row)
            for column in range(position["w"])
            for row in range(position["h"])
        }
        assert not cells & taken, panel["title"]
        assert position["x"] + position["w"] <= 24
        taken |= cells
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {
            sources[0]["uid"]
        }


def test_provisioning_points_at_what_is_mounted() -> None:
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/triton.yml").read_text())["providers"][0]
    compose = yaml.safe_load((DEPLOY.parent / "docker-compose.yml").read_text())["services"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in compose["grafana"]["volumes"]
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert urllib.parse.urlsplit(sources[0]["url"]).hostname in compose
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    target = config["scrape_configs"][0]["static_configs"][0]["targets"][0]
    assert target == "triton:8002"
    assert compose["triton-gpu"]["networks"]["default"]["aliases"] == ["triton"]


@pytest.fixture(scope="module")
def prometheus(tiny_server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus with our configuration, but for the target and the interval; yields its address."""
    directory = tmp_path_factory.mktemp("prometheus")
    text = (DEPLOY / "prometheus.yml").read_text()
    for old, new in (
        ("triton:8002", f"127.0.0.1:{tiny_server.metrics_port}"),
        ("scrape_interval: 5s", "scrape_interval: 1s"),
        ("scrape_timeout: 4s", "scrape_timeout: 1s"),
    ):
        assert old in text
        text = text.replace(old, new)
    (directory / "prometheus.yml").write_text(text)
    address = f"127.0.0.1:{reserve_ports((0, 0, 0))[0]}"
    command = [
        require("prometheus"),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_ready(address), DEADLINE_SECONDS)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE_SECONDS)


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """Series of an instant query; raises HTTPError when Prometheus cannot read the expression."""
    parameters = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"http://{address}/api/v1/query?{parameters}", timeout=10) as answer:
        series: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return series


def infer(server: TritonServer) -> None:
    tensor = triton_grpc.InferInput("INPUT__0", (3, 3, TINY_SIDE, TINY_SIDE), "FP32")
    tensor.set_data_from_numpy(np.zeros((3, 3, TINY_SIDE, TINY_SIDE), np.float32))
    with closing(triton_grpc.InferenceServerClient(server.grpc_url)) as client:
        client.infer("tiny_onnx", [tensor])


def finite(series: list[dict[str, Any]]) -> bool:
    return any(np.isfinite(float(one["value"][1])) for one in series)


def test_the_scaler_for_kubernetes_asks_what_prometheus_has(prometheus: str) -> None:
    scaler = yaml.safe_load((DEPLOY / "kubernetes/components/keda/scaler.yaml").read_text())
    (trigger,) = scaler["spec"]["triggers"]
    expression = trigger["metadata"]["query"]
    wait_until(lambda: query(prometheus, expression), DEADLINE_SECONDS)
    (series,) = query(prometheus, expression)
    assert float(series["value"][1]) == 0, "nothing waits"
    assert query(prometheus, expression.replace("pending_request_count", "pending_requests")) == []


@pytest.mark.slow
def test_every_panel_has_data_in_a_real_prometheus(tiny_server: TritonServer, prometheus: str) -> None:
    waiting = {
        expression: expression.replace("$model", "tiny_onnx").replace("$__rate_interval", "1m")
        for expression in expressions()
        if not metric_names(expression) <= GPU_METRICS
    }
    deadline = time.monotonic() + DEADLINE_SECONDS
    while waiting:
        assert time.monotonic() < deadline, f"without data: {list(waiting)}"
        infer(tiny_server)
        time.sleep(0.5)
        for expression, filled in list(waiting.items()):
            try:
                if finite(query(prometheus, filled)):
                    del waiting[expression]
            except urllib.error.HTTPError as error:
                pytest.fail(f"Prometheus cannot read {expression}: {error}")


def test_gpu_panels_are_queries_that_prometheus_reads(prometheus: str, tiny_server: TritonServer) -> None:
    for expression in expressions():
        if metric_names(expression) <= GPU_METRICS:
            assert query(prometheus, expression) == []

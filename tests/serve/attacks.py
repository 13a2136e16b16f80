"""Every request of what the embedded Triton keeps closed, as a page or a program would send it."""

import base64
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tritonclient.grpc
from google.protobuf import text_format
from google.protobuf.json_format import MessageToJson
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.utils import InferenceServerException

from tests.conftest import tiny_config
from tritonrepo.serve.triton import TritonServer

REFUSED = "is restricted, expecting header"
HOSTILE = """
from pathlib import Path

Path({mark!r}).touch()

class TritonPythonModel:
    def execute(self, requests):
        return []
"""
CONFIG = {
    "name": "hostile",
    "backend": "python",
    "max_batch_size": 0,
    "input": [{"name": "X", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [1]}],
}


@dataclass(frozen=True)
class Attack:
    """One request that must be refused, over both protocols.

    Attributes:
        path: Of the HTTP endpoint; the method is POST, or GET where there is no body.
        body: JSON of the HTTP request.
        call: The same request over gRPC; takes the client and keyword arguments for every call.
    """

    path: str
    body: Any
    call: Callable[..., Any]


def attacks(mark: Path, region: str) -> dict[str, Attack]:
    """Every request of the closed groups; `hostile` touches `mark` when its code runs."""
    code = base64.b64encode(HOSTILE.format(mark=str(mark)).encode()).decode()
    config, files = json.dumps(CONFIG), {"file:1/model.py": code}
    raw = {"file:1/model.py": base64.b64decode(code)}
    other = MessageToJson(text_format.Parse(tiny_config("tiny_onnx", "onnxruntime", "model.onnx"), ModelConfig()))
    cuda = base64.b64encode(bytes(64)).decode()
    return {
        "load": Attack("repository/models/tiny_onnx/load", {}, lambda c, **k: c.load_model("tiny_onnx", **k)),
        "load with files": Attack(
            "repository/models/hostile/load",
            {"parameters": {"config": config, **files}},
            lambda c, **k: c.load_model("hostile", config=config, files=raw, **k),
        ),
        "load with a config": Attack(
            "repository/models/tiny_onnx/load",
            {"parameters": {"config": other}},
            lambda c, **k: c.load_model("tiny_onnx", config=other, **k),
        ),
        "index": Attack("repository/index", {}, lambda c, **k: c.get_model_repository_index(**k)),
        "system status": Attack(
            "systemsharedmemory/status", None, lambda c, **k: c.get_system_shared_memory_status(**k)
        ),
        "system register": Attack(
            "systemsharedmemory/region/r/register",
            {"key": region, "offset": 0, "byte_size": 16},
            lambda c, **k: c.register_system_shared_memory("r", region, 16, **k),
        ),
        "system unregister": Attack(
            "systemsharedmemory/region/r/unregister", {}, lambda c, **k: c.unregister_system_shared_memory("r", **k)
        ),
        "cuda status": Attack("cudasharedmemory/status", None, lambda c, **k: c.get_cuda_shared_memory_status(**k)),
        "cuda register": Attack(
            "cudasharedmemory/region/r/register",
            {"raw_handle": {"b64": cuda}, "device_id": 0, "byte_size": 16},
            lambda c, **k: c.register_cuda_shared_memory("r", cuda, 0, 16, **k),
        ),
        "cuda unregister": Attack(
            "cudasharedmemory/region/r/unregister", {}, lambda c, **k: c.unregister_cuda_shared_memory("r", **k)
        ),
        "trace": Attack("trace/setting", None, lambda c, **k: c.get_trace_settings(**k)),
        "trace change": Attack(
            "trace/setting",
            {"trace_rate": "7"},
            lambda c, **k: c.update_trace_settings(settings={"trace_rate": "7"}, **k),
        ),
        "model trace": Attack(
            "models/tiny_onnx/trace/setting", None, lambda c, **k: c.get_trace_settings(model_name="tiny_onnx", **k)
        ),
        "logging": Attack("logging", None, lambda c, **k: c.get_log_settings(**k)),
        "logging change": Attack(
            "logging", {"log_verbose_level": 1}, lambda c, **k: c.update_log_settings({"log_verbose_level": 1}, **k)
        ),
        "unload": Attack("repository/models/tiny_onnx/unload", {}, lambda c, **k: c.unload_model("tiny_onnx", **k)),
    }


def post(server: TritonServer, attack: Attack, headers: dict[str, str]) -> tuple[int, str]:
    """Send the request as a page of a browser could: its body is plain text, so that no preflight asks first."""
    connection = http.client.HTTPConnection(server.http_url)
    method, body = ("GET", None) if attack.body is None else ("POST", json.dumps(attack.body))
    page = {"Content-Type": "text/plain", "Origin": "http://evil.example"}
    connection.request(method, f"/v2/{attack.path}", body, page | headers)
    response = connection.getresponse()
    answer = response.read().decode()
    connection.close()
    return response.status, answer


def call(server: TritonServer, attack: Attack, headers: dict[str, str]) -> str:
    """Send the request over gRPC; what the server said against it, or nothing."""
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        try:
            attack.call(client, headers=headers)
        except InferenceServerException as error:
            return str(error)
    return ""

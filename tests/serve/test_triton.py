"""The embedded Triton as it serves: what it answers, what it reports of its models, and that it is alone."""

import http.client
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.conftest import TINY_LABELS, TINY_SIDE, tiny_module, wait_until
from tests.serve.tiny import infer
from tritonrepo.repository.errors import RepositoryError
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.models import LEFT_OUT, READY, UNAVAILABLE
from tritonrepo.serve.questions import ask
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live


def test_both_backends_give_what_pytorch_gives(tiny_server: TritonServer, batch: NDArray[np.float32]) -> None:
    import torch

    with torch.no_grad():
        expected = tiny_module()(torch.from_numpy(batch)).numpy()
    # FP32 sums of up to 72 products in another order.
    np.testing.assert_allclose(infer(tiny_server, "tiny_onnx", batch), expected, atol=1e-5)
    np.testing.assert_allclose(infer(tiny_server, "tiny_torchscript", batch), expected, atol=1e-5)


@pytest.mark.parametrize("model", ["tiny_onnx", "tiny_torchscript"])
def test_labels_come_with_the_classes_over_both_protocols(
    tiny_server: TritonServer, batch: NDArray[np.float32], model: str
) -> None:
    logits = infer(tiny_server, model, batch)
    answers = []
    for module, url in ((triton_grpc, tiny_server.grpc_url), (triton_http, tiny_server.http_url)):
        with module.InferenceServerClient(url) as client:
            tensor = module.InferInput("INPUT__0", list(batch.shape), "FP32").set_data_from_numpy(batch)
            wanted = module.InferRequestedOutput("OUTPUT__0", class_count=len(TINY_LABELS))
            answers.append(client.infer(model, [tensor], outputs=[wanted]).as_numpy("OUTPUT__0"))
    np.testing.assert_array_equal(*answers)
    for row, values in zip(answers[0], logits, strict=True):
        fields = [item.decode().split(":", 2) for item in row]
        assert [int(index) for _, index, _ in fields] == list(np.argsort(-values, kind="stable"))
        assert [label for _, _, label in fields] == [TINY_LABELS[int(index)] for _, index, _ in fields]


def test_every_model_is_reported(tiny_server: TritonServer) -> None:
    statuses = [(s.name, s.version, s.backend, s.max_batch_size, s.state, s.reason) for s in tiny_server.models()]
    assert statuses == [
        ("tiny_onnx", "1", "onnxruntime", 8, READY, ""),
        ("tiny_torchscript", "1", "pytorch", 8, READY, ""),
    ]


def test_it_listens_on_loopback_alone(tiny_server: TritonServer) -> None:
    listening = [c.laddr for c in psutil.Process(tiny_server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    expected = {tiny_server.http_port, tiny_server.grpc_port, tiny_server.metrics_port}
    assert {address.port for address in listening} == expected


def test_metrics_are_served(tiny_server: TritonServer, batch: NDArray[np.float32]) -> None:
    infer(tiny_server, "tiny_onnx", batch)
    connection = http.client.HTTPConnection("127.0.0.1", tiny_server.metrics_port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert tiny_server.metrics_url.endswith(f":{tiny_server.metrics_port}/metrics")
    assert 'nv_inference_count{model="tiny_onnx",version="1"}' in text


def test_a_batch_above_the_maximum_is_refused(tiny_server: TritonServer) -> None:
    batch = np.zeros((9, 3, TINY_SIDE, TINY_SIDE), np.float32)
    with pytest.raises(InferenceServerException, match="batch-size must be <= 8"):
        infer(tiny_server, "tiny_onnx", batch)


def test_a_repository_that_is_missing_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"there is no model repository at .*tritonrepo export"):
        TritonServer(tmp_path / "nowhere").start()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(RepositoryError, match="is not a directory"):
        TritonServer(file).start()


def break_artifact(model: Path) -> None:
    (model / "1" / "model.onnx").write_bytes(b"garbage")


def break_config(model: Path) -> None:
    (model / "config.pbtxt").write_text("max_batch_size: many")


def remove_config(model: Path) -> None:
    (model / "config.pbtxt").unlink()


def remove_version(model: Path) -> None:
    shutil.rmtree(model / "1")


def rename_in_config(model: Path) -> None:
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace(f'name: "{model.name}"', 'name: "other"'))


def make_tensorrt(model: Path) -> None:
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace('"onnxruntime"', '"tensorrt"'))


def add_overflow(model: Path) -> None:
    (model / "99999999999999999999").mkdir()


FAULTS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a_artifact": (break_artifact, UNAVAILABLE, "Protobuf parsing failed"),
    "b_config": (break_config, UNAVAILABLE, "config.pbtxt does not parse: 1:17 : 'max_batch_size: many'"),
    "c_no_config": (remove_config, UNAVAILABLE, "config.pbtxt: No such file or directory"),
    "d_no_version": (remove_version, UNAVAILABLE, "at least one version must be available"),
    "e_other_name": (rename_in_config, UNAVAILABLE, "directory name must equal model name"),
    "g_overflow": (add_overflow, LEFT_OUT, "aborts, with every model, at the version 99999999999999999999"),
    "f_tensorrt": (make_tensorrt, LEFT_OUT, "has no backend tensorrt; serve this model with the official image"),
}


def test_models_that_cannot_be_served_say_why_and_the_others_serve(
    repository: Path, batch: NDArray[np.float32]
) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    for name, (damage, _, _) in FAULTS.items():
        model = Path(shutil.copytree(repository / "tiny_onnx", repository / name))
        config = model / "config.pbtxt"
        config.write_text(config.read_text().replace("tiny_onnx", name))
        damage(model)
    (repository / ".staging").mkdir()
    (repository / "README").write_text("not a model")
    with TritonServer(repository) as server:
        statuses = {status.name: status for status in server.models()}
        assert infer(server, "tiny_onnx", batch).shape == (3, 10)
    assert set(statuses) == {*FAULTS, "tiny_onnx"}
    assert statuses["tiny_onnx"].state == READY
    for name, (_, state, reason) in FAULTS.items():
        assert statuses[name].state == state
        assert reason in statuses[name].reason
        assert "At:" not in statuses[name].reason


@pytest.mark.slow
def test_polling_follows_the_repository(repository: Path, batch: NDArray[np.float32], tmp_path: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    model = Path(shutil.move(repository / "tiny_onnx", tmp_path / "tiny_onnx"))
    with TritonServer(repository, model_control_mode="poll") as server:
        assert server.models() == []
        shutil.move(model, repository / "tiny_onnx")
        wait_until(lambda: [(status.version, status.state) for status in server.models()] == [("1", READY)])
        shutil.copytree(repository / "tiny_onnx" / "1", tmp_path / "2")
        shutil.move(tmp_path / "2", repository / "tiny_onnx" / "2")
        wait_until(lambda: ("2", READY) in [(status.version, status.state) for status in server.models()])
        assert infer(server, "tiny_onnx", batch).shape == (3, 10)


def test_paths_that_do_not_reach_a_stub(tiny_repository: Path, tmp_path: Path, batch: NDArray[np.float32]) -> None:
    repository = tmp_path / "my models; touch harm" / "ü"
    repository.mkdir(parents=True)
    for name in ("plain-1.0", "brötchen", "two words"):
        shutil.copytree(tiny_repository / "tiny_onnx", repository / name)
        config = repository / name / "config.pbtxt"
        config.write_text(config.read_text().replace("tiny_onnx", name))
    with TritonServer(repository) as server:
        statuses = {status.name: status for status in server.models()}
        assert infer(server, "plain-1.0", batch).shape == (3, 10)
    assert {name: status.state for name, status in statuses.items()} == {
        "plain-1.0": READY,
        "brötchen": LEFT_OUT,
        "two words": LEFT_OUT,
    }
    assert "needs a name of ASCII letters, digits" in statuses["two words"].reason


def test_the_stand_ins_find_their_code_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path, batch: NDArray[np.float32]
) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve" / "__init__.py").write_text("raise RuntimeError('another package of this name')")
    monkeypatch.chdir(tmp_path)
    with TritonServer(repository.relative_to(tmp_path)) as server:
        assert infer(server, "tiny_onnx", batch).shape == (3, 10)


def test_an_error_of_the_server_is_raised(tiny_server: TritonServer) -> None:
    with pytest.raises(ServeError, match="answered 404 to GET /v2/models/nobody"):
        ask(tiny_server.http_url, "GET", "/v2/models/nobody")


def test_two_threads_may_use_one_server(tiny_server: TritonServer, batch: NDArray[np.float32]) -> None:
    expected = infer(tiny_server, "tiny_onnx", batch)
    results: list[bool] = []

    def ask() -> None:
        results.append(bool(np.array_equal(infer(tiny_server, "tiny_onnx", batch), expected)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_the_configuration_reaches_the_client(tiny_server: TritonServer) -> None:
    config = ask(tiny_server.http_url, "GET", "/v2/models/tiny_onnx/config")
    assert json.loads(config["parameters"]["preprocessing"]["string_value"])["crop"] == TINY_SIDE

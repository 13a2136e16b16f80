"""The models of a server, asked one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import TINY_LABELS
from tritonrepo.client import Classifier, Connection
from tritonrepo.client.errors import ServerUnavailableError, UsageError
from tritonrepo.client.sources import Source
from tritonrepo.serve.ports import bind
from tritonrepo.serve.triton import TritonServer
from tritonrepo.ui.panel import Panel

pytestmark = pytest.mark.live


@pytest.fixture(params=["grpc", "http"])
def panel(request: pytest.FixtureRequest, tiny_server: TritonServer) -> Iterator[Panel]:
    url = tiny_server.grpc_url if request.param == "grpc" else tiny_server.http_url
    found = Panel([url], Connection(str(request.param)), 1.0)
    yield found
    found.close()


def test_each_model_answers_as_the_classifier_does(panel: Panel, tiny_server: TritonServer, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.linear_gradient("L").resize((60, 40)).save(path)
    sight = panel.look()
    assert list(sight.models) == ["tiny_onnx", "tiny_torchscript"]
    assert not sight.left_out
    for name in sight.models:
        opinion = panel.ask(name, Source(path.name, path.read_bytes()))
        with Classifier(tiny_server.grpc_url, name) as classifier:
            (expected,) = classifier.classify(path)
        assert opinion.result.predictions == expected.predictions
        assert (opinion.trained, tuple(opinion.labels)) == (False, TINY_LABELS)
        assert opinion.seconds is not None
        assert 0 < opinion.seconds < 10


def test_a_broken_picture_and_a_model_that_is_gone_are_errors_of_that_question(panel: Panel) -> None:
    panel.look()
    opinion = panel.ask("tiny_onnx", Source("torn.jpg", b"no image"))
    assert (opinion.result.error, opinion.seconds) == ("not an image in a known format", None)
    assert panel.ask("lion", Source("torn.jpg", b"")).result.error == "lion is not ready any more"


def test_where_no_server_is_it_is_said_at_once() -> None:
    with bind(0) as taken:
        port = taken.getsockname()[1]
    panel = Panel([f"127.0.0.1:{port}"], Connection("http"), 60.0)
    with pytest.raises(ServerUnavailableError, match=str(port)):
        panel.look()
    panel.close()
    with pytest.raises(UsageError, match="ftp"):
        Panel(["ftp://host"], Connection(), 1.0)

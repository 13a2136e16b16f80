"""What the embedded Triton keeps closed: who has no key runs no code, maps no memory, and names no file."""

import contextlib
import http.client
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import psutil
import pytest
import tritonclient.grpc

from tests.conftest import ShortLived, wait_until
from tests.serve.attacks import CONFIG, REFUSED, Attack, attacks, call, post
from tritonrepo.client.connection import Connection
from tritonrepo.client.errors import ClosedError
from tritonrepo.client.server_key import GRPC_HEADER, HTTP_HEADER, find_key, key_headers
from tritonrepo.client.transport import Region, open_transport
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.questions import ask
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

NAMES = tuple(attacks(Path(), ""))
FAILS_WITH_KEY = {"cuda register": "failed to register shared memory region: invalid args"}
"""What comes as far as Triton, which then refuses the handle."""


@pytest.fixture(scope="module")
def server(tiny_onnx_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository = Path(shutil.copytree(tiny_onnx_repository, tmp_path_factory.mktemp("closed") / "models"))
    with ShortLived(repository, shared_memory=True) as running:
        yield running


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "code ran"


@pytest.fixture
def region() -> Iterator[str]:
    """A region that the server could map."""
    memory = SharedMemory(create=True, size=16)
    yield memory.name
    memory.close()
    memory.unlink()


WRONG: dict[str, dict[str, str]] = {
    "no key": {},
    "an empty key": key_headers(""),
    "a wrong key": key_headers(secrets.token_hex(32)),
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", NAMES)
def test_without_the_key_it_is_refused(
    server: TritonServer, mark: Path, region: str, name: str, headers: dict[str, str]
) -> None:
    attack = attacks(mark, region)[name]
    status, answer = post(server, attack, headers)
    assert (status, REFUSED in answer) == (403, True)
    said = call(server, attack, headers)
    assert REFUSED in said
    assert "UNAVAILABLE" in said
    assert not mark.exists()
    assert [(model.name, model.version, model.state) for model in server.models()] == [("tiny_onnx", "1", "READY")]
    assert ask(server.http_url, "GET", "/v2/systemsharedmemory/status", key_headers(server.key)) == []


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_with_the_key_it_works(server: TritonServer, mark: Path, region: str, protocol: str) -> None:
    for name, attack in attacks(mark, region).items():
        if protocol == "http":
            status, answer = post(server, attack, key_headers(server.key))
            said = "" if status == 200 else answer
        else:
            said = call(server, attack, key_headers(server.key))
        assert bool(said) == (name in FAILS_WITH_KEY), f"{name}: {said}"
        assert FAILS_WITH_KEY.get(name, "") in said
    assert mark.exists(), "the attack is none: its code does not run even with the key"
    server.unload("hostile")
    server.load("tiny_onnx")
    wait_until(lambda: [model.name for model in server.models() if model.state == "READY"] == ["tiny_onnx"])


def test_what_stays_open(server: TritonServer) -> None:
    for path in ("", "/health/live", "/health/ready", "/models/stats", "/models/tiny_onnx", "/models/tiny_onnx/config"):
        ask(server.http_url, "GET", f"/v2{path}")
    with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_model_config("tiny_onnx").config.name == "tiny_onnx"
        assert [one.name for one in client.get_inference_statistics().model_stats] == ["tiny_onnx"]


@pytest.mark.parametrize("path", ["models/tiny_onnx/config", "models/tiny_onnx", ""])
def test_a_configuration_can_be_read_alone(server: TritonServer, path: str) -> None:
    status, _ = post(server, Attack(path, CONFIG, print), key_headers(server.key))
    assert status in (400, 404, 405)


def test_a_page_cannot_ask_whether_it_may_send_the_key(server: TritonServer) -> None:
    """A browser sends a header like the key to a foreign host only when the host said yes to a preflight."""
    connection = http.client.HTTPConnection(server.http_url)
    asking = {"Origin": "http://evil.example", "Access-Control-Request-Headers": HTTP_HEADER}
    connection.request("OPTIONS", "/v2/repository/index", headers=asking)
    response = connection.getresponse()
    assert response.status != 200
    assert response.getheader("Access-Control-Allow-Headers") is None
    connection.close()


@pytest.mark.slow
def test_the_key_is_for_its_user_alone_and_goes_with_the_server(repository: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    with TritonServer(repository) as server:
        assert server.directory is not None
        file = server.directory / "key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
        assert file.read_text() == server.key
        assert re.fullmatch(r"[0-9a-f]{64}", server.key)
        family = psutil.Process(server.pid)
        for process in [family, family.parent(), *family.children(recursive=True)]:
            assert process is not None
            assert server.key not in " ".join(process.cmdline()), "everybody on the host can read a command line"
        assert server.key not in server.log()
        first = server.key
    assert not file.exists()
    with ShortLived(repository) as server:
        assert server.key != first


def test_a_refusal_is_an_error(server: TritonServer) -> None:
    with pytest.raises(ServeError, match="answered 403 to POST /v2/repository/index"):
        ask(server.http_url, "POST", "/v2/repository/index")


def test_the_key_is_found_by_the_name_of_the_server(server: TritonServer) -> None:
    name = ask(server.http_url, "GET", "/v2")["name"]
    assert find_key(server.http_url, name) == server.key
    assert f"triton-grpc-protocol-{HTTP_HEADER}" == GRPC_HEADER


def break_copy(repository: Path) -> None:
    """A second model, which cannot be loaded."""
    model = Path(shutil.copytree(repository / "tiny_onnx", repository / "broken"))
    (model / "config.pbtxt").write_text((model / "config.pbtxt").read_text().replace("tiny_onnx", "broken"))
    (model / "1" / "model.onnx").write_bytes(b"garbage")


def test_a_client_has_reasons_where_it_finds_the_key_and_else_what_is_ready(
    repository: Path, tmp_path: Path, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    break_copy(repository)
    with ShortLived(repository, shared_memory=True) as server:
        for protocol, url in (("http", server.http_url), ("grpc", server.grpc_url)):
            with monkeypatch.context() as patch, contextlib.closing(open_transport(url, Connection(protocol))) as there:
                ready, broken = there.models()
                assert (ready.name, ready.version, ready.ready) == ("tiny_onnx", "1", True)
                assert (broken.name, broken.ready) == ("broken", False)
                assert "Protobuf parsing failed" in broken.reason
                there.register(Region("r", 16), region)
                there.unregister(Region("r", 16))
                patch.setattr(tempfile, "tempdir", str(tmp_path))  # Another user's, or another host's.
                with contextlib.closing(open_transport(url, Connection(protocol))) as stranger:
                    assert stranger.models() == (ready,)
                    with pytest.raises(ClosedError, match=r"keeps this closed; .* in the header (triton-grpc-.*)?key$"):
                        stranger.register(Region("r", 16), region)
                headers = {HTTP_HEADER if protocol == "http" else GRPC_HEADER: server.key}
                with contextlib.closing(open_transport(url, Connection(protocol, headers=headers))) as told:
                    assert told.models() == (ready, broken)


def test_no_key_opens_shared_memory_that_nobody_asked_for(repository: Path, tmp_path: Path, region: str) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    with ShortLived(repository) as server:
        headers, every = key_headers(server.key), attacks(tmp_path, region)
        for attack in (every[name] for name in NAMES if name.startswith(("system ", "cuda "))):
            status, answer = post(server, attack, headers)
            assert (status, REFUSED in answer) == (403, True)
            assert REFUSED in call(server, attack, headers)
        assert post(server, every["index"], headers)[0] == 200
        for protocol, url in (("http", server.http_url), ("grpc", server.grpc_url)):
            with (
                contextlib.closing(open_transport(url, Connection(protocol))) as client,
                pytest.raises(ClosedError, match="takes no shared memory; start it with: tritonrepo serve"),
            ):
                client.register(Region("r", 16), region)

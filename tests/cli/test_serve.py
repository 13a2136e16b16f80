"""`python -m serve` as its users run it: a process, its output, its exit status, and what it leaves."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import trustme
from PIL import Image
from rich.console import Console

from tests.certificates import write_pair
from tests.conftest import TINY_LABELS, heed_interrupts, traces, wait_until
from tritonrepo.cli.main import main
from tritonrepo.cli.serve import make_table
from tritonrepo.client import Classifier
from tritonrepo.client.connection import Connection, Tls
from tritonrepo.client.server_key import KEY_FILENAME, key_headers
from tritonrepo.repository.store.address import Address
from tritonrepo.serve.models import READY, ModelStatus

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
ANY_PORTS = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--supervisor-port", "0")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The command, run in this process, takes SIGTERM for itself."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Command:
    """A running `python -m serve`, its output read until it waits for Ctrl-C."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.output = ""
        for line in process.stdout:
            self.output += line
            if line.startswith("Ctrl-C"):
                break
        assert process.poll() is None, self.output
        guardian, self.server, *self.stubs = psutil.Process(process.pid).children(recursive=True)
        self.directory = Path(guardian.cmdline()[4])
        self.family = [guardian, self.server, *self.stubs]

    def addresses(self) -> set[tuple[str, int]]:
        """Where the server listens now."""
        return {
            (connection.laddr.ip, connection.laddr.port)
            for connection in self.find_server().net_connections()
            if connection.status == psutil.CONN_LISTEN
        }

    def find_server(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children(recursive=True)
        (server,) = [child for child in children if child.name() == "tritonserver"]
        return server

    def read_line(self) -> str:
        """The next line that is not about a model which a new server has loaded too."""
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()).endswith(": version 1 loaded again\n"):
            pass
        return line

    def end_server(self) -> None:
        self.find_server().kill()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; return the exit status and the rest of both outputs."""
        os.kill(self.process.pid, number)
        output, errors = self.process.communicate()
        return self.process.returncode, output, errors

    def traces(self) -> list[str]:
        return traces(self.directory, *self.family)


@contextmanager
def serving(repository: Path | Address, *options: str) -> Iterator[Command]:
    command = [sys.executable, "-m", "serve", "--repository", str(repository), *ANY_PORTS, *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        try:
            yield Command(process)
        finally:
            process.kill()


@pytest.fixture
def onnx_repository(repository: Path) -> Path:
    """The tiny repository without TorchScript, whose process takes seconds to start."""
    shutil.rmtree(repository / "tiny_torchscript")
    return repository


def break_model(repository: Path, name: str) -> None:
    (repository / name / "1" / "model.onnx").write_bytes(b"garbage")


def add_copy(repository: Path, name: str) -> None:
    shutil.copytree(repository / "tiny_onnx", repository / name)
    config = repository / name / "config.pbtxt"
    config.write_text(config.read_text().replace("tiny_onnx", name))


def run_curl(line: str) -> dict[str, Any]:
    """Do what the printed shell line does, with Python in curl's place: not every machine has curl."""
    body, curl = line.rsplit(" | curl ", 1)
    data = subprocess.run(["sh", "-c", body], check=True, capture_output=True).stdout
    match = re.fullmatch(r"-s -H '(\S+): (\S+)' --data-binary @- (\S+)", curl)
    assert match is not None, curl
    header, value, url = match.groups()
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port or 0)
    connection.request("POST", address.path, data, {header: value})
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_it_shows_models_urls_and_a_line_that_works_and_ends_at_ctrl_c(onnx_repository: Path) -> None:
    add_copy(onnx_repository, "broken")
    break_model(onnx_repository, "broken")
    add_copy(onnx_repository, "for_a_gpu")
    config = onnx_repository / "for_a_gpu" / "config.pbtxt"
    config.write_text(config.read_text().replace('"onnxruntime"', '"tensorrt"'))
    with serving(onnx_repository) as command:
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in command.output.splitlines() if "│" in line]
        assert rows[0][:4] == ["broken", "1", "onnxruntime", "8"]
        assert rows[0][4].startswith("unavailable: unable to load model 'broken'")
        assert ["tiny_onnx", "1", "onnxruntime", "8", "ready"] in rows
        assert any(row[0] == "for_a_gpu" and row[4].startswith("left out: the embedded Triton has no") for row in rows)
        for service, pattern in (
            ("HTTP", r"http://127\.0\.0\.1:\d+"),
            ("gRPC", r"127\.0\.0\.1:\d+"),
            ("Metrics", r"http://127\.0\.0\.1:\d+/metrics"),
        ):
            assert re.search(rf"^{service} +{pattern}$", command.output, re.MULTILINE)
        (line,) = [line for line in command.output.splitlines() if "| curl" in line]
        (output,) = run_curl(line)["outputs"]
        assert len(output["data"]) == 5
        assert {item.split(":", 2)[2] for item in output["data"]} <= set(TINY_LABELS)
        status, rest, errors = command.end(signal.SIGINT)
        assert (status, errors) == (0, "")
        assert "Stopping" in rest
        assert command.traces() == []


def test_it_ends_at_sigterm(onnx_repository: Path) -> None:
    with serving(onnx_repository) as command:
        (line,) = [line for line in command.output.splitlines() if "| curl" in line]
        run_curl(line)
        began = time.monotonic()
        status, _, errors = command.end(signal.SIGTERM)
        # tritonserver would wait for the guard's idle connection as long as it may: 30 s.
        assert time.monotonic() - began < 15
        assert (status, errors) == (0, "")
        assert command.traces() == []


def test_a_second_ctrl_c_ends_it_at_once(onnx_repository: Path) -> None:
    with serving(onnx_repository) as command:
        # Triton waits for a stub that does nothing as long as it is allowed to: half a minute.
        command.stubs[0].suspend()
        os.kill(command.process.pid, signal.SIGINT)
        assert command.process.stdout is not None
        assert "once more" in command.process.stdout.readline()
        wait_until(lambda: not listens(command.server))
        status, _, errors = command.end(signal.SIGINT)
        assert (status, errors) == (0, "")
        assert command.traces() == []


def listens(process: psutil.Process) -> bool:
    return any(connection.status == psutil.CONN_LISTEN for connection in process.net_connections())


def test_nothing_is_left_after_kill_9(onnx_repository: Path) -> None:
    with serving(onnx_repository) as command:
        status, _, _ = command.end(signal.SIGKILL)
        assert status == -signal.SIGKILL
        wait_until(lambda: command.traces() == [])


def test_a_server_that_dies_is_started_again_at_its_ports_and_given_up_in_the_end(onnx_repository: Path) -> None:
    with serving(onnx_repository) as command:
        assert command.process.stdout is not None
        ports = {int(port) for port in re.findall(r"^(?:gRPC|Metrics) .*:(\d+)", command.output, re.MULTILINE)}
        family = set(command.family)
        for _ in range(4):
            command.end_server()
            assert command.read_line().startswith("tritonserver ended by itself with status 137 (SIGKILL")
            assert re.match(r"tritonserver answers again after \d", command.read_line())
            family |= {*psutil.Process(command.process.pid).children(recursive=True)}
            found = {port for _, port in command.addresses()}  # And HTTP's, which is the guard's to know.
            assert (found > ports, len(found)) == (True, 3)
        command.end_server()
        _, errors = command.process.communicate()
        assert command.process.returncode == 3
        assert errors.startswith("error: tritonserver ended 5 times within 60 s, and is given up; the last time with")
        assert len(errors.splitlines()) == 1
        assert traces(command.directory, *family) == []


def test_check_says_which_model_does_not_answer(capsys: pytest.CaptureFixture[str], onnx_repository: Path) -> None:
    with serving(onnx_repository) as command:
        (url,) = re.findall(r"^Health +(\S+)/v2/health/ready$", command.output, re.MULTILINE)
        wait_until(lambda: main(["serve", "--check", url]) == 0)
        assert capsys.readouterr().out.endswith("ready\n")
        break_model(onnx_repository, "tiny_onnx")
        command.stubs[0].kill()
        wait_until(lambda: main(["serve", "--check", url]) == 1)
        assert "\nnot ready: tiny_onnx: " in capsys.readouterr().out
    assert main(["serve", "--check", url]) == 1
    assert capsys.readouterr().out == f"not ready: {url}: nobody answers there\n"


def test_another_address_needs_tls_or_somebody_who_knows(
    capsys: pytest.CaptureFixture[str], onnx_repository: Path
) -> None:
    words = ["serve", "--repository", str(onnx_repository), *ANY_PORTS, "--host", "0.0.0.0"]
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "--host 0.0.0.0 lets everybody who reaches it send requests" in said
    assert "--i-know" in said
    assert main([*words, "--cert", str(onnx_repository / "cert.pem")]) == 2
    assert "a certificate and its key" in capsys.readouterr().err


def test_tls_over_both_protocols(onnx_repository: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = write_pair(authority, tmp_path, "server", "localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    with serving(onnx_repository, "--cert", str(certificate), "--key", str(key)) as command:
        addresses = {"http": re.search(r"^HTTP +https://(\S+)", command.output, re.MULTILINE)}
        addresses["grpc"] = re.search(r"^gRPC +(\S+)", command.output, re.MULTILINE)
        for protocol, found in addresses.items():
            assert found, command.output
            connection = Connection(protocol=protocol, tls=Tls(ca=tmp_path / "ca.pem"))
            with Classifier(found[1], connection=connection) as classifier:
                assert [result.error for result in classifier.classify([tmp_path / "red.png"])] == [None]
        assert command.end(signal.SIGINT)[0] == 0


def test_verbose_shows_the_log_and_what_comes_over_http_passes_the_guard(onnx_repository: Path) -> None:
    with serving(onnx_repository, "--verbose") as command:
        found = re.search(r"^HTTP +http://(\S+)", command.output, re.MULTILINE)
        assert found
        answers = []
        for body, headers in (
            (b"[" * 40_000, {}),
            (b"{}", {"Origin": "http://evil.example"}),
            (b"{}", {"Host": "evil"}),
        ):
            connection = http.client.HTTPConnection(found[1], timeout=30)
            connection.request("POST", "/v2/models/tiny_onnx/infer", body, headers)
            answers.append(connection.getresponse().status)
            connection.close()
        assert answers == [400, 403, 403]
        status, _, errors = command.end(signal.SIGTERM)
        assert status == 0
        assert "successfully loaded 'tiny_onnx'" in errors
        assert "successfully unloaded 'tiny_onnx'" in errors
        assert errors.count("Started HTTPService") == 1


def add_version(repository: Path, number: int, artifact: bytes | None = None) -> None:
    """Bring a new version of tiny_onnx in one step, as a polling server needs it."""
    staged = Path(shutil.copytree(repository / "tiny_onnx" / "1", repository.parent / str(number)))
    if artifact is not None:
        (staged / "model.onnx").write_bytes(artifact)
    staged.rename(repository / "tiny_onnx" / str(number))


@pytest.mark.slow
def test_polling_tells_what_changes_as_it_happens(onnx_repository: Path) -> None:
    with serving(onnx_repository, "--poll", "1") as command:
        assert command.process.stdout is not None
        add_version(onnx_repository, 2)
        assert command.process.stdout.readline() == "tiny_onnx: version 2 took over from 1\n"
        add_version(onnx_repository, 3, b"garbage")
        refusal = command.process.stdout.readline()
        assert refusal.startswith("tiny_onnx: version 3 cannot be served: unable to load model 'tiny_onnx': ")
        assert refusal.endswith("; version 2 still served\n")
        (onnx_repository / "tiny_onnx").rename(onnx_repository.parent / "gone")  # at once: half of it is a fault
        assert command.process.stdout.readline() == "tiny_onnx: version 2 gone\n"
        status, rest, errors = command.end(signal.SIGINT)
        assert (status, errors) == (0, "")
        assert rest == "Stopping; Ctrl-C once more kills it.\n"


def test_without_polling_a_load_that_somebody_asks_for_is_told(onnx_repository: Path) -> None:
    """As a release does, by the control endpoints and the key."""
    with serving(onnx_repository) as command:
        found = re.search(r"^HTTP +http://(\S+)", command.output, re.MULTILINE)
        assert found
        add_version(onnx_repository, 2)
        headers = key_headers((command.directory / KEY_FILENAME).read_text())
        connection = http.client.HTTPConnection(found[1], timeout=60)
        connection.request("POST", "/v2/repository/models/tiny_onnx/load", b"{}", headers)
        assert connection.getresponse().status == 200
        connection.close()
        assert command.process.stdout is not None
        assert command.process.stdout.readline() == "tiny_onnx: version 2 took over from 1\n"
        assert command.end(signal.SIGINT)[0] == 0


def fail(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command in this process, which must end with status 3 and one message; return the message."""
    assert main(["serve", *arguments]) == 3
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    return errors


def test_a_taken_port(capsys: pytest.CaptureFixture[str], tiny_repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        message = fail(capsys, "--repository", str(tiny_repository), *ANY_PORTS, "--grpc-port", str(port))
    assert f"port {port} on 127.0.0.1 cannot be used (Address already in use)" in message


def test_a_repository_without_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "is empty; fill it with: tritonrepo export" in fail(capsys, "--repository", str(tmp_path))
    assert "there is no model repository at" in fail(capsys, "--repository", str(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    assert "is not a directory" in fail(capsys, "--repository", str(tmp_path / "file"))


def test_a_missing_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_repository: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pytriton", None)
    message = fail(capsys, "--repository", str(tiny_repository), *ANY_PORTS)
    assert "the package nvidia-pytriton is not installed; install it with: pip install" in message


def test_a_repository_that_triton_cannot_live_with(capsys: pytest.CaptureFixture[str], onnx_repository: Path) -> None:
    (onnx_repository / "gone").symlink_to("nowhere")
    message = fail(capsys, "--repository", str(onnx_repository), *ANY_PORTS)
    assert f"'{onnx_repository}/gone' is a link that leads nowhere" in message


def test_an_output_that_cannot_be_written(onnx_repository: Path) -> None:
    command = [sys.executable, "-m", "serve", "--repository", str(onnx_repository), *ANY_PORTS]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 3
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


def test_a_name_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    status = ModelStatus("a\x1b[2Jb", "1", "onnxruntime", 8, READY, "")
    Console().print(make_table([status]))
    assert "\x1b[2J" not in capsys.readouterr().out


def test_no_model_that_can_be_served(capsys: pytest.CaptureFixture[str], onnx_repository: Path) -> None:
    break_model(onnx_repository, "tiny_onnx")
    assert main(["serve", "--repository", str(onnx_repository), *ANY_PORTS]) == 3
    captured = capsys.readouterr()
    assert "unavailable: unable to load model 'tiny_onnx'" in captured.out
    assert captured.err == f"error: no model of {onnx_repository} can be served; the table above says why\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--http-port", "70000"],
        ["--http-port", "-1"],
        ["--grpc-port", "many"],
        ["--repositry", "x"],
        ["--poll", "often"],
        ["--poll", "-1"],
        ["--poll", "0"],
        ["--poll", "99999999999"],
        ["--poll", "1_0"],
        ["--poll", "1.5"],
        ["--poll", ""],
        ["--http-port", "8_000"],
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_status:
        main(["serve", *arguments])
    assert exit_status.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert arguments[0] in errors


def test_ports_must_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--http-port", "8001", "--grpc-port", "8001"]) == 2
    assert capsys.readouterr().err == "error: the ports must differ\n"

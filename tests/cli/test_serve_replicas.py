"""`tritonrepo serve --replicas`: several servers of one host, for trials."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.cli.test_serve import ROOT
from tests.conftest import heed_interrupts, traces, wait_until
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.ports import Ports, next_ports

pytestmark = pytest.mark.live


@contextmanager
def serving(repository: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Two servers; yields the process and what it said."""
    words = [sys.executable, "-m", "serve", "--repository", str(repository), "--replicas", "2", *options]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        try:
            assert process.stdout is not None
            output = ""
            for line in process.stdout:
                output += line
                if line.startswith("Ctrl-C"):
                    break
            yield process, output
        finally:
            process.kill()


def family(process: "subprocess.Popen[str]") -> tuple[list[psutil.Process], list[Path]]:
    """All that is below it, and the servers' directories."""
    found = psutil.Process(process.pid).children(recursive=True)
    guardians = [one for one in found if one.ppid() == process.pid]
    return found, [Path(one.cmdline()[4]) for one in guardians]


@pytest.mark.slow
def test_two_servers_answer_heal_and_end_together(repository: Path, tmp_path: Path) -> None:
    shutil.rmtree(repository / "tiny_torchscript")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    ports = free_ports()
    named = [word for name, port in zip(Ports._fields, ports, strict=True) for word in (f"--{name}-port", str(port))]
    with serving(repository, *named) as (process, output):
        assert re.findall(r"^(replica \d)$", output, re.MULTILINE) == ["replica 1", "replica 2"]
        following = next_ports_of(output)
        assert following[0] == ports
        assert all(later > first for first, later in zip(*following, strict=True))
        for server in following:
            for protocol, port in (("http", server.http), ("grpc", server.grpc)):
                with Classifier(f"{protocol}://127.0.0.1:{port}") as classifier:
                    assert [result.error for result in classifier.classify([tmp_path / "red.png"])] == [None]
            wait_until(lambda: main(["serve", "--check", f"127.0.0.1:{server.supervisor}"]) == 0)  # noqa: B023
        processes, directories = family(process)
        assert len(directories) == 2
        servers = [one for one in processes if one.name() == "tritonserver"]
        servers[1].kill()
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        (number,) = {line.split(":")[0] for line in said}
        assert number in ("replica 1", "replica 2")
        assert any("tritonserver ended by itself" in line for line in said)
        processes += family(process)[0]
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
        assert [trace for directory in directories for trace in traces(directory, *processes)] == []


def free_ports() -> Ports:
    """Four in a row, with four more behind them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        start = min(int(listener.getsockname()[1]), 60_000)
    return next_ports(Ports(*range(start, start + 4)))


def next_ports_of(output: str) -> list[Ports]:
    """Where each says that it listens."""
    found = re.findall(r"^(?:HTTP|gRPC|Metrics|Health) .*?:(\d+)(?:/\S*)?$", output, re.MULTILINE)
    numbers = [int(port) for port in found]
    return [Ports(*numbers[start : start + 4]) for start in range(0, len(numbers), 4)]


def test_the_next_ports_are_free_and_in_a_row() -> None:
    first = free_ports()
    following = next_ports(first)
    step = following.http - first.http
    assert step % 4 == 0
    assert following == Ports(*(port + step for port in first))
    with socket.create_server(("127.0.0.1", following.metrics)):
        assert next_ports(first).http > following.http
    assert next_ports(Ports()) == Ports()
    assert next_ports(Ports(0, 0, 0, first.http)).grpc == 0
    with pytest.raises(ServeError, match="no ports are free after 65535"):
        next_ports(Ports(65_532, 65_533, 65_534, 65_535))


def test_replicas_are_for_this_machine_alone(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["serve", "--repository", str(repository), "--replicas", "2", "--host", "0.0.0.0", "--i-know"]
    assert main(words) == 2
    assert "--replicas is for trials on this machine alone" in capsys.readouterr().err

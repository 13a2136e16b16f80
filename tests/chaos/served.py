"""`tritonrepo serve` over a tiny model, as a process of its own with fixed ports, and what is left of it."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from tests.conftest import traces, wait_until
from tests.live.releases import FIRST, MODEL
from tritonrepo.client import Classifier, Connection
from tritonrepo.client.errors import TritonRepoError
from tritonrepo.client.server_key import KEY_FILENAME
from tritonrepo.serve.endpoint import check
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.ports import bind

SERVICES = ("http", "grpc", "metrics", "supervisor")
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)


def make_repository(root: Path) -> Path:
    """A repository of a tiny model as ONNX."""
    FIRST.write(root / MODEL / "1" / "model.onnx")
    (root / MODEL / "config.pbtxt").write_text(FIRST.config())
    (root / MODEL / "labels.txt").write_text("".join(f"{label}\n" for label in FIRST.labels))
    return root


def free_ports(count: int) -> list[int]:
    sockets = [bind(0) for _ in range(count)]
    ports = [socket.getsockname()[1] for socket in sockets]
    for socket in sockets:
        socket.close()
    return ports


class Served:
    """The command at work.

    Attributes:
        ports: By service.
        patience: Seconds without an answer after which it takes a model, or its server, for hung.
        directories: Those of all its servers until now.
        family: All its processes until now.
    """

    def __init__(self, repository: Path, screen: Path, patience: int) -> None:
        """Prepare.

        Args:
            repository: What it serves.
            screen: A file for what it says.
            patience: Its option of this name.
        """
        self.patience = patience
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.directories: set[Path] = set()
        self.family: set[psutil.Process] = set()
        words = [word for name, port in self.ports.items() for word in (f"--{name}-port", str(port))]
        words += ["--patience", str(patience), "--shared-memory"]
        self._command = [sys.executable, "-m", "tritonrepo", "serve", "--repository", str(repository), *words]
        self._screen, self._seen = screen, 0

    def start(self) -> None:
        """Start it, and return when every model answers."""
        with self._screen.open("ab") as screen:
            self.process = subprocess.Popen(self._command, stdout=screen, stderr=subprocess.STDOUT)
        self.await_ready()
        self.check_alive()
        self.note()

    def check_alive(self) -> None:
        """Fail with what it said if it has ended."""
        assert self.process.poll() is None, self._screen.read_text()[-2000:]

    def await_ready(self) -> None:
        """Return when every model answers, or it has ended."""
        wait_until(lambda: self.process.poll() is not None or self.is_ready(), 60)

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.ports['grpc']}"

    def ask(self) -> float:
        """The probability of the picture's best class; a TritonRepoError if there is no answer at once."""
        with Classifier(self.grpc_url, MODEL, connection=Connection(deadline=2.0), patience=0.0) as classifier:
            (result,) = classifier.classify([PICTURE])
        if result.error is not None:
            raise TritonRepoError(result.error)
        return float(result.predictions[0].probability or 0)

    def mark(self) -> None:
        """Let `says` look at what is said from now on."""
        self._seen = self._screen.stat().st_size

    def says(self, words: str, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until it has said these words; meanwhile do something again and again."""

        def is_said() -> bool:
            meanwhile()
            return words in self._screen.read_bytes()[self._seen :].decode()

        try:
            wait_until(is_said, seconds)
        except AssertionError:
            said = self._screen.read_bytes()[self._seen :].decode()
            raise AssertionError(f"{words!r} is not among what it said: {said}") from None

    def is_ready(self) -> bool:
        try:
            return check(f"127.0.0.1:{self.ports['supervisor']}") == {}
        except ServeError:
            return False

    def note(self) -> None:
        """Remember what it consists of now."""
        self.family |= {*psutil.Process(self.process.pid).children(recursive=True)}
        self.directories.add(Path(self.guardian().cmdline()[4]))

    def guardian(self) -> psutil.Process:
        return only(lambda: psutil.Process(self.process.pid).children())

    def server(self) -> psutil.Process:
        return only(lambda: self.guardian().children())

    def stub(self) -> psutil.Process:
        children = self.server().children
        return only(lambda: [child for child in children() if child.status() != psutil.STATUS_ZOMBIE])

    def find_own_http(self) -> tuple[str, str]:
        """Where tritonserver itself listens, behind the guard, and its key."""
        words = dict(word.partition("=")[::2] for word in self.server().cmdline())
        key = Path(tempfile.gettempdir(), words["--id"], KEY_FILENAME).read_text()
        return f"127.0.0.1:{words['--http-port']}", key

    def end(self) -> int:
        """Let it drain, and return its exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def left_behind(self) -> list[str]:
        """What is left of all but the present server and its processes."""
        now: set[psutil.Process] = set()
        present: set[Path] = set()
        if self.process.poll() is None:
            now = {*psutil.Process(self.process.pid).children(recursive=True)}
            present = {Path(self.guardian().cmdline()[4])}
        gone = [process for process in self.family - now if is_left(process)]
        return [trace for directory in self.directories - present for trace in traces(directory)] + list(map(str, gone))


def only(find: Callable[[], list[psutil.Process]]) -> psutil.Process:
    """The one process that `find` returns, which may be about to be started."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        with contextlib.suppress(psutil.Error):
            found[:] = find()
        return len(found) == 1

    wait_until(is_there)
    return found[0]


def is_left(process: psutil.Process) -> bool:
    """Whether a process is still there; a zombie is its parent's business."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

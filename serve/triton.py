"""One embedded Triton Inference Server: start it, wait until it is ready, ask it about its models, stop it."""

import contextlib
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from tritonrepo.client.server_key import key_headers
from tritonrepo.repository.store.address import Address
from tritonrepo.serve.command import ModelControlMode, Settings
from tritonrepo.serve.door import Door
from tritonrepo.serve.errors import ServeError, StartError
from tritonrepo.serve.installation import find_installation
from tritonrepo.serve.inventory import take_inventory
from tritonrepo.serve.limits import require_files, require_shared_memory
from tritonrepo.serve.log import Log
from tritonrepo.serve.models import ModelStatus, loaded_later
from tritonrepo.serve.ports import ADDRESS, reserve_ports
from tritonrepo.serve.process import Process
from tritonrepo.serve.questions import ANSWER_SECONDS, ask
from tritonrepo.serve.source import source_of

POLL_SECONDS = 0.02
START_ATTEMPTS = 3
CRASHED = 128 + signal.SIGSEGV
"""As the guardian tells how its server ended."""


class TritonServer:
    """NVIDIA's tritonserver over a model repository, on loopback, as a context manager.

        with TritonServer(Path("model_repository")) as server:
            client = InferenceServerClient(server.grpc_url)

    A port of 0 is replaced by a free one. In the mode `explicit` the models that can run here are loaded at the start,
    and `models()` says why the others were left out; in the mode `poll` Triton follows the repository by itself, and
    whoever may write there may run what he likes: names are checked at the start alone. A model that fails to load
    does not stop the others.

    Everybody on this host may infer, and read metadata, configurations and statistics. All else needs `key`, which is
    new at each start and lies in `directory`, for this user alone.

    Triton 2.51 does not restart the process behind a model (its stub) when it dies, and goes on calling the model
    ready. Its requests fail until it is unloaded and loaded, or the server is started again; a `Supervisor` does that.

    Attributes:
        repository: The model repository.
        source: The same, as it is read.
        http_port: Where HTTP listens, on 127.0.0.1.
        grpc_port: Where gRPC listens.
        metrics_port: Where Prometheus' metrics are.
    """

    address = ADDRESS

    def __init__(
        self,
        repository: Path | Address,
        http_port: int = 0,
        grpc_port: int = 0,
        metrics_port: int = 0,
        *,
        model_control_mode: ModelControlMode = "explicit",
        repository_poll_secs: int = 1,
        extra_args: Sequence[str] = (),
        ready_timeout: float = 300.0,
        stop_grace: float = 30.0,
        door: Door | None = None,
        shared_memory: bool = False,
    ) -> None:
        """Prepare a server; `start` starts it.

        Args:
            repository: The model repository: a directory, or an object store, whose credentials are in the environment.
            http_port: A port of 127.0.0.1; 0: a free one.
            grpc_port: The same.
            metrics_port: The same.
            model_control_mode: As Triton has it.
            repository_poll_secs: Seconds between two looks at the repository in the mode `poll`.
            extra_args: Words of tritonserver's own, with absolute paths; HTTP and metrics must stay on.
            ready_timeout: Seconds that loading may take.
            stop_grace: Seconds for the requests in flight when it is stopped.
            door: Where gRPC may be reached from. With it HTTP is closed to all without the key, for a `Guard` to open.
            shared_memory: Let clients with the key hand over pictures in shared memory.
        """
        self.repository, self.source = repository, source_of(repository)
        self.http_port, self.grpc_port, self.metrics_port = http_port, grpc_port, metrics_port
        self._asked_ports = (http_port, grpc_port, metrics_port)
        self._settings = Settings(
            self.source, model_control_mode, repository_poll_secs, tuple(extra_args), stop_grace, door or Door()
        )
        self._ready_timeout, self._guarded, self._shared_memory = ready_timeout, door is not None, shared_memory
        self._process: Process | None = None
        self._log: Log | None = None

    def __enter__(self) -> "TritonServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def http_url(self) -> str:
        """HOST:PORT, as tritonclient.http wants it."""
        return f"{self.address}:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        """HOST:PORT, as tritonclient.grpc wants it."""
        return f"{self._settings.door.within}:{self.grpc_port}"

    @property
    def metrics_url(self) -> str:
        """The Prometheus endpoint."""
        return f"http://{self.address}:{self.metrics_port}/metrics"

    @property
    def directory(self) -> Path | None:
        """Its temporary directory, gone when it ended; the names of its shared-memory regions start with this name."""
        return self._process.directory if self._process else None

    @property
    def pid(self) -> int:
        """The server's process; 0 before it is started."""
        return self._process.pid if self._process else 0

    @property
    def key(self) -> str:
        """What opens model control, the repository index, shared memory, traces and log settings."""
        assert self._process is not None, "the server is not started"
        return self._process.key

    def start(self) -> None:
        """Start the server and return when it is ready. Started again, it has the ports that it had.

        Raises:
            InstallationError: A package is missing.
            RepositoryError: The repository is not a directory, or holds what Triton cannot live with.
            PortTakenError: A port that was asked for is taken.
            ShortageError: The machine lacks room for it.
            StartError: The server ended or was not ready in time.
        """
        for attempt in range(1, START_ATTEMPTS + 1):
            ports = reserve_ports(self._asked_ports, self._settings.door.host)
            self.http_port, self.grpc_port, self.metrics_port = ports
            try:
                self._wait_until_ready(*self._launch())
                self._load_translated()
                # Where a guard stands in front of HTTP, nobody knows its port, and the next one is as good.
                http_port = self._asked_ports[0] if self._guarded else self.http_port
                self._asked_ports = (http_port, self.grpc_port, self.metrics_port)
                return
            except BaseException as error:
                again = isinstance(error, StartError) and self._may_start_again()
                self.stop()
                if not again or attempt == START_ATTEMPTS:
                    raise

    def _may_start_again(self) -> bool:
        """Whether a start that failed may succeed by chance.

        A free port may be taken by another program before Triton binds it; another one will be free. And Triton 2.51
        sometimes crashes (SIGSEGV) when a model's warm-up fails while others load.
        """
        lost_a_race = 0 in self._asked_ports and "already in use" in self.log()
        return lost_a_race or (self._process is not None and self._process.status == CRASHED)

    def stop(self) -> None:
        """End the server and its stubs: SIGTERM, the requests in flight, and SIGKILL after the grace period.

        A KeyboardInterrupt meanwhile kills it at once.
        """
        if self._process is not None:
            self._process.stop()

    def log(self) -> str:
        """Return what the server has logged since its last start, also after its end."""
        return self._log.text() if self._log else ""

    def read_log(self, start: int) -> bytes:
        """Return what was logged from the byte `start` on, over all starts."""
        return self._log.read(start) if self._log else b""

    def trim_log(self) -> None:
        """Drop the oldest part of a log that has grown long."""
        if self._log:
            self._log.trim()

    def wait(self, timeout: float | None = None) -> None:
        """Return after `timeout` seconds with the server alive.

        Raises:
            ServerDiedError: It ended by itself.
        """
        assert self._process is not None, "the server is not started"
        self._process.wait(timeout)

    def models(self) -> list[ModelStatus]:
        """Return every model of the repository, and every version that is loaded: ready, or why not.

        Raises:
            RepositoryError: The repository is gone.
            ServeError: The server does not answer.
        """
        return take_inventory(self._ask, self.source, self.log)

    def ready_versions(self, seconds: float = ANSWER_SECONDS) -> dict[str, list[str]]:
        """Return the versions that the server calls ready, by model.

        Args:
            seconds: How long the answer may take.

        Raises:
            NoAnswerError: The server does not answer; a SilentError if it takes too long.
        """
        statistics = self._ask("GET", "/v2/models/stats", seconds)  # the index lacks what the repository lost
        found: dict[str, list[str]] = {}
        for entry in statistics["model_stats"]:
            found.setdefault(entry["name"], []).append(entry["version"])
        return found

    def is_ready(self, name: str, version: str) -> bool:
        """Whether the server answers for a version of a model."""
        with contextlib.suppress(ServeError):
            self._ask("GET", f"/v2/models/{quote(name)}/versions/{quote(version)}/ready")
            return True
        return False

    def load(self, name: str) -> None:
        """Load a model of the repository, or load it again; only in the mode `explicit`.

        Raises:
            ServeError: It cannot be loaded; the message says why.
        """
        body = self.source.load_request(name)
        self._ask("POST", f"/v2/repository/models/{quote(name)}/load", self._ready_timeout, body)

    def unload(self, name: str) -> None:
        """Let the server give up a model; only in the mode `explicit`. It is gone a moment later.

        Raises:
            ServeError: The server does not answer.
        """
        self._ask("POST", f"/v2/repository/models/{quote(name)}/unload")

    def read_metadata(self, name: str) -> dict[str, Any]:
        """Return the metadata of a ready model, as Triton's protocol has it: its inputs and outputs.

        Raises:
            ServeError: There is no such model, or the server does not answer.
        """
        return dict(self._ask("GET", f"/v2/models/{quote(name)}"))

    def _launch(self) -> tuple[Process, Log]:
        """Start a process; return it and its log."""
        installation = find_installation()
        models = self.source.models()
        self.source.refuse_obstacles(polling=self._settings.model_control_mode != "explicit")
        ports = (self.http_port, self.grpc_port, self.metrics_port)
        require_files(len(models))
        require_shared_memory(len(models))
        log = self._log = self._log or Log()
        log.begin, log.ready = log.size, 0
        self._process = Process(
            log, self._settings.stop_grace, guarded=self._guarded, shared_memory=self._shared_memory
        )
        self._process.start(installation, lambda directory: self._settings.arguments(directory, ports, models))
        return self._process, log

    def _wait_until_ready(self, process: Process, log: Log) -> None:
        deadline = time.monotonic() + self._ready_timeout
        while process.status is None:
            with contextlib.suppress(ServeError, OSError):
                # Triton opens its ports when the models are loaded, HTTP last but for the metrics. The name tells it
                # from another server that took our port first.
                if ask(self.http_url, "GET", "/v2", key_headers(process.key))["name"] == process.directory.name:
                    socket.create_connection((self.address, self.metrics_port), timeout=1).close()
                    log.ready = log.size
                    return
            if time.monotonic() > deadline:
                raise StartError(f"tritonserver was not ready within {self._ready_timeout:g} s; {log.tail()}")
            time.sleep(POLL_SECONDS)
        raise StartError(f"tritonserver ended with status {process.status} at its start; {log.tail()}")

    def _load_translated(self) -> None:
        """Load what Triton does not find by itself."""
        for name in loaded_later(self.source.models()) if self._settings.model_control_mode == "explicit" else ():
            with contextlib.suppress(ServeError):
                self.load(name)

    def _ask(self, method: str, path: str, seconds: float = ANSWER_SECONDS, body: bytes = b"{}") -> Any:
        return ask(self.http_url, method, path, key_headers(self.key), seconds=seconds, body=body)

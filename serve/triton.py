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
from tritonrepo.serve.command import ModelControlMode, Settings
from tritonrepo.serve.errors import ServeError, StartError
from tritonrepo.serve.installation import find_installation
from tritonrepo.serve.models import (
    LEFT_OUT,
    READY,
    UNAVAILABLE,
    ModelStatus,
    RepositoryModel,
    find_logged_reason,
    read_repository,
    refuse_obstacles,
    tidy_reason,
)
from tritonrepo.serve.ports import ADDRESS, reserve_ports
from tritonrepo.serve.process import Process
from tritonrepo.serve.questions import ask

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
    ready. Its requests fail until a newer version or artifact of it is loaded, or the server is started again.

    Attributes:
        repository: The model repository.
        http_port: Where HTTP listens, on 127.0.0.1.
        grpc_port: Where gRPC listens.
        metrics_port: Where Prometheus' metrics are.
    """

    address = ADDRESS

    def __init__(
        self,
        repository: Path,
        http_port: int = 0,
        grpc_port: int = 0,
        metrics_port: int = 0,
        *,
        model_control_mode: ModelControlMode = "explicit",
        repository_poll_secs: int = 1,
        extra_args: Sequence[str] = (),
        ready_timeout: float = 300.0,
        stop_grace: float = 30.0,
        guarded: bool = False,
    ) -> None:
        """Prepare a server; `start` starts it.

        Args:
            repository: The model repository.
            http_port: A port of 127.0.0.1; 0: a free one.
            grpc_port: The same.
            metrics_port: The same.
            model_control_mode: As Triton has it.
            repository_poll_secs: Seconds between two looks at the repository in the mode `poll`.
            extra_args: Words of tritonserver's own. Paths in them must be absolute, and they must not switch HTTP or
                metrics off, by which we know that it is ready.
            ready_timeout: Seconds that loading may take.
            stop_grace: Seconds for the requests in flight when it is stopped.
            guarded: Close all of HTTP to those without the key: for a server behind a `Guard`.
        """
        self.repository = repository
        self.http_port, self.grpc_port, self.metrics_port = http_port, grpc_port, metrics_port
        self._asked_ports = (http_port, grpc_port, metrics_port)
        self._settings = Settings(repository, model_control_mode, repository_poll_secs, tuple(extra_args), stop_grace)
        self._ready_timeout, self._guarded = ready_timeout, guarded
        self._process: Process | None = None

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
        return f"{self.address}:{self.grpc_port}"

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
        """Start the server and return when it is ready.

        Raises:
            InstallationError: A package is missing.
            RepositoryError: The repository is not a directory, or holds what Triton cannot live with.
            PortTakenError: A port that was asked for is taken.
            StartError: The server ended or was not ready in time.
        """
        for attempt in range(1, START_ATTEMPTS + 1):
            self.http_port, self.grpc_port, self.metrics_port = reserve_ports(self._asked_ports)
            try:
                self._wait_until_ready(self._launch())
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

        Triton 2.51 uses up the whole grace period if a stub has died. A KeyboardInterrupt meanwhile kills it at once.
        """
        if self._process is not None:
            self._process.stop()

    def log(self) -> str:
        """Return what the server has logged, also after its end."""
        return self.read_log(0).decode(errors="replace")

    def read_log(self, start: int) -> bytes:
        """Return what the server has logged from the byte `start` on, also after its end."""
        return self._process.log(start) if self._process else b""

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
        index: list[dict[str, str]] = self._ask("POST", "/v2/repository/index")
        known = {model.name: model for model in read_repository(self.repository)}
        listed = [entry for entry in index if not entry["name"].startswith(".")]
        # Triton does not list a model that it cannot load at all, one without a version for example.
        listed += [{"name": name} for name in known.keys() - {entry["name"] for entry in listed}]
        statuses = [self._status(entry, known.get(entry["name"], RepositoryModel(entry["name"]))) for entry in listed]
        return sorted(statuses, key=lambda status: (status.name, status.version))

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
        self._ask("POST", f"/v2/repository/models/{quote(name)}/load")

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

    def _status(self, entry: dict[str, str], model: RepositoryModel) -> ModelStatus:
        version, state = entry.get("version", ""), entry.get("state", UNAVAILABLE)
        if state == READY:
            backend = model.backend or self._find_backend(model.name)
            return ModelStatus(model.name, version, backend, model.max_batch_size, READY, "")
        if model.left_out:
            return ModelStatus(model.name, "", model.backend, model.max_batch_size, LEFT_OUT, model.left_out)
        reason = entry.get("reason") or model.fault
        if state == UNAVAILABLE and not reason:
            reason = find_logged_reason(model.name, self.log())
        return ModelStatus(model.name, version, model.backend, model.max_batch_size, state, tidy_reason(reason))

    def _find_backend(self, name: str) -> str:
        """Return the backend that Triton chose for a model whose config names none."""
        with contextlib.suppress(ServeError):  # It may be unloaded at any moment.
            return str(self._ask("GET", f"/v2/models/{quote(name)}/config").get("backend", ""))
        return ""

    def _launch(self) -> Process:
        """Start a process and return it."""
        installation = find_installation()
        models = read_repository(self.repository)
        refuse_obstacles(self.repository, polling=self._settings.model_control_mode != "explicit")
        ports = (self.http_port, self.grpc_port, self.metrics_port)
        self._process = Process(self._settings.stop_grace, guarded=self._guarded)
        self._process.start(installation, lambda directory: self._settings.arguments(directory, ports, models))
        return self._process

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + self._ready_timeout
        while process.status is None:
            with contextlib.suppress(ServeError, OSError):
                # Triton opens its ports when the models are loaded, HTTP last but for the metrics. The name tells it
                # from another server that took our port first.
                if ask(self.http_url, "GET", "/v2", key_headers(process.key))["name"] == process.directory.name:
                    socket.create_connection((self.address, self.metrics_port), timeout=1).close()
                    return
            if time.monotonic() > deadline:
                raise StartError(f"tritonserver was not ready within {self._ready_timeout:g} s; {process.tail()}")
            time.sleep(POLL_SECONDS)
        raise StartError(f"tritonserver ended with status {process.status} at its start; {process.tail()}")

    def _ask(self, method: str, path: str) -> Any:
        return ask(self.http_url, method, path, key_headers(self.key))

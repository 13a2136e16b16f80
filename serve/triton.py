"""One embedded Triton Inference Server: start it, wait until it is ready, ask it about its models, stop it."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal
from urllib.parse import quote

from tritonrepo.serve import guardian
from tritonrepo.serve.errors import PortTakenError, ServeError, ServerDiedError, StartError
from tritonrepo.serve.installation import ROOT, find_installation
from tritonrepo.serve.models import (
    LEFT_OUT,
    READY,
    UNAVAILABLE,
    ModelStatus,
    RepositoryModel,
    find_logged_reason,
    is_plain,
    read_repository,
    refuse_obstacles,
    tidy_reason,
)

ADDRESS = "127.0.0.1"
POLL_SECONDS = 0.02
ANSWER_SECONDS = 10
TAIL_LINES = 15
START_ATTEMPTS = 3

ModelControlMode = Literal["explicit", "poll", "none"]


class TritonServer:
    """NVIDIA's tritonserver over a model repository, on loopback, as a context manager.

        with TritonServer(Path("model_repository")) as server:
            client = InferenceServerClient(server.grpc_url)

    A port of 0 is replaced by a free one. In the mode `explicit` the models that can run here are loaded at the start,
    and `models()` says why the others were left out; in the mode `poll` Triton follows the repository by itself, and
    whoever may write there may run what he likes: names are checked at the start alone. A model that fails to load
    does not stop the others. `extra_args` are tritonserver's own; paths in them must be
    absolute, and they must not switch HTTP or metrics off, by which we know that it is ready.

    Triton 2.51 does not restart the process behind a model (its stub) when it dies, and goes on calling the model
    ready. Its requests fail until a newer version or artifact of it is loaded, or the server is started again.
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
    ) -> None:
        self.repository = repository
        self.http_port, self.grpc_port, self.metrics_port = http_port, grpc_port, metrics_port
        self.pid = 0
        self.directory: Path | None = None
        """Its temporary directory; the name of each of its shared-memory regions starts with this one's name."""
        self._asked_ports = (http_port, grpc_port, metrics_port)
        self._model_control_mode = model_control_mode
        self._repository_poll_secs = repository_poll_secs
        self._extra_args = tuple(extra_args)
        self._ready_timeout = ready_timeout
        self._stop_grace = stop_grace
        self._guardian: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None

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

    def start(self) -> None:
        """Start the server and return when it is ready.

        Raises:
            InstallationError: a package is missing.
            RepositoryError: the repository is not a directory, or holds what Triton cannot live with.
            PortTakenError: a port that was asked for is taken.
            StartError: the server ended or was not ready in time.
        """
        for attempt in range(1, START_ATTEMPTS + 1):
            self.http_port, self.grpc_port, self.metrics_port = reserve_ports(self._asked_ports)
            try:
                self._wait_until_ready(self._launch())
                return
            except BaseException as error:
                lost_a_race = isinstance(error, StartError) and "already in use" in self.log()
                self.stop()
                # A free port may be taken by another program before Triton binds it; another one will be free.
                if not lost_a_race or 0 not in self._asked_ports or attempt == START_ATTEMPTS:
                    raise

    def stop(self) -> None:
        """End the server and its stubs: SIGTERM, the requests in flight, and SIGKILL after the grace period.

        Triton 2.51 uses up the whole grace period if a stub has died. A KeyboardInterrupt meanwhile kills it at once.
        """
        if self._guardian is None:
            return
        guardian, self._guardian = self._guardian, None
        with guardian:
            if self.pid:
                guardian.terminate()
            elif guardian.stdin:  # It has not told us of its handler for SIGTERM yet, and will read this first.
                guardian.stdin.close()
            try:
                guardian.wait()
            except KeyboardInterrupt:
                guardian.terminate()

    def log(self) -> str:
        """Return what the server has logged, also after its end."""
        if self._log is None:
            return ""
        # pread, because the server writes at the file's own offset.
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def wait(self, timeout: float | None = None) -> None:
        """Return after `timeout` seconds with the server alive.

        Raises:
            ServerDiedError: it ended by itself.
        """
        assert self._guardian is not None, "the server is not started"
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._guardian.wait(timeout)
            raise ServerDiedError(f"tritonserver ended by itself with status {status}; {self._tail()}")

    def models(self) -> list[ModelStatus]:
        """Return every model of the repository, and every version that is loaded: ready, or why not.

        Raises:
            RepositoryError: the repository is gone.
        """
        index: list[dict[str, str]] = self._request("POST", "/v2/repository/index", "{}")
        known = {model.name: model for model in read_repository(self.repository)}
        listed = [entry for entry in index if not entry["name"].startswith(".")]
        # Triton does not list a model that it cannot load at all, one without a version for example.
        listed += [{"name": name} for name in known.keys() - {entry["name"] for entry in listed}]
        statuses = [self._status(entry, known.get(entry["name"], RepositoryModel(entry["name"]))) for entry in listed]
        return sorted(statuses, key=lambda status: (status.name, status.version))

    def read_metadata(self, name: str) -> dict[str, Any]:
        """Return the metadata of a ready model, as Triton's protocol has it: its inputs and outputs.

        Raises:
            ServeError: there is no such model, or the server does not answer.
        """
        metadata: dict[str, Any] = self._request("GET", f"/v2/models/{quote(name)}")
        return metadata

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
            return str(self._request("GET", f"/v2/models/{quote(name)}/config").get("backend", ""))
        return ""

    def _launch(self) -> Path:
        """Start the guardian and return the server's temporary directory."""
        installation = find_installation()
        models = read_repository(self.repository)
        refuse_obstacles(self.repository, polling=self._model_control_mode != "explicit")
        self.pid = 0
        try:
            self.directory = directory = Path(tempfile.mkdtemp(prefix="triton-serve-"))
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it has no name, so nothing can be left of it)
        except OSError as error:
            raise StartError(f"no temporary directory ({error}); set TMPDIR to one that can be written") from None
        weakref.finalize(self, self._log.close)
        if not is_plain(str(directory)):
            directory.rmdir()
            raise StartError(f"Triton cannot work in {directory}; set TMPDIR to a path of ASCII letters and digits")
        cleanup = [directory.name, str(directory), str(self._stop_grace + 5)]
        try:
            installation.lay_out_backends(directory / "backends")
            command = [str(installation.server), *self._arguments(models, directory)]
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", guardian.__file__, *cleanup, "--", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=installation.environment(),
                cwd=ROOT,  # Whence the stub imports `tritonrepo`, even where it is not installed.
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise StartError(f"cannot start the embedded Triton in {directory}: {error}") from None
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        assert self._guardian.stdout is not None
        self.pid = int(self._guardian.stdout.readline() or 0)
        return directory

    def _arguments(self, models: Sequence[RepositoryModel], directory: Path) -> list[str]:
        repository = self.repository.resolve()
        if not is_plain(str(repository)):
            link = directory / "repository"
            link.symlink_to(repository)
            repository = link
        arguments = [
            f"--id={directory.name}",
            f"--model-repository={repository}",
            f"--backend-directory={directory / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name={directory.name}",
            f"--http-address={ADDRESS}",
            f"--http-port={self.http_port}",
            f"--grpc-address={ADDRESS}",
            f"--grpc-port={self.grpc_port}",
            f"--metrics-address={ADDRESS}",
            f"--metrics-port={self.metrics_port}",
            "--allow-gpu-metrics=false",
            # A model that cannot be loaded is reported as unavailable; the others serve.
            "--exit-on-error=false",
            "--strict-readiness=false",
            # A Python-based backend cannot complete a configuration, and would start every stub twice for trying.
            "--disable-auto-complete-config",
            f"--exit-timeout-secs={int(self._stop_grace)}",
            f"--model-control-mode={self._model_control_mode}",
        ]
        if self._model_control_mode == "explicit":
            arguments += [f"--load-model={model.name}" for model in models if not model.left_out]
        if self._model_control_mode == "poll":
            arguments.append(f"--repository-poll-secs={self._repository_poll_secs}")
        return [*arguments, *self._extra_args]

    def _wait_until_ready(self, directory: Path) -> None:
        deadline = time.monotonic() + self._ready_timeout
        assert self._guardian is not None
        while self._guardian.poll() is None:
            with contextlib.suppress(ServeError, OSError):
                # Triton opens its ports when the models are loaded, HTTP last but for the metrics. The name tells it
                # from another server that took our port first.
                if self._request("GET", "/v2")["name"] == directory.name:
                    socket.create_connection((self.address, self.metrics_port), timeout=1).close()
                    return
            if time.monotonic() > deadline:
                raise StartError(f"tritonserver was not ready within {self._ready_timeout:g} s; {self._tail()}")
            time.sleep(POLL_SECONDS)
        raise StartError(f"tritonserver ended with status {self._guardian.returncode} at its start; {self._tail()}")

    def _request(self, method: str, path: str, body: str | None = None) -> Any:
        """Return the JSON that Triton answers, or None for an empty answer."""
        connection = http.client.HTTPConnection(self.address, self.http_port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise ServeError(f"tritonserver does not answer at {self.http_url}: {error}") from None
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ServeError(f"tritonserver answered {response.status} to {method} {path}: {answer}")
        return json.loads(answer) if answer else None

    def _tail(self) -> str:
        tail = "\n".join(self.log().splitlines()[-TAIL_LINES:])
        return f"the end of its log:\n{tail}"


def reserve_ports(asked: tuple[int, int, int]) -> tuple[int, int, int]:
    """Check that the ports asked for are free on loopback, and replace each 0 by a free one.

    Raises:
        PortTakenError: names the port.
    """
    with contextlib.ExitStack() as stack:
        # All are held until the last is found, so that they differ.
        http_port, grpc_port, metrics_port = (stack.enter_context(bind(port)).getsockname()[1] for port in asked)
    return http_port, grpc_port, metrics_port


def bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As Triton does: a port whose last connections linger in TIME_WAIT is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"port {port} on {ADDRESS} cannot be used ({error.strerror}); stop what listens there or choose another"
        ) from None
    return listener

"""The process of one tritonserver: its guardian and its temporary directory."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tritonrepo.client.server_key import DIRECTORY_PREFIX
from tritonrepo.repository.shortage import explain
from tritonrepo.serve import guardian
from tritonrepo.serve.errors import ServerDiedError, ShortageError, StartError
from tritonrepo.serve.installation import ROOT, Installation
from tritonrepo.serve.key import closing_environment, make_key
from tritonrepo.serve.leftovers import clean_up
from tritonrepo.serve.limits import name_signal
from tritonrepo.serve.log import Log
from tritonrepo.serve.models import is_plain

TEMPORARY = ("TMPDIR", "TRITON_AWS_MOUNT_DIRECTORY", "TRITON_GCS_MOUNT_DIRECTORY", "TRITON_AZURE_MOUNT_DIRECTORY")
"""Variables that say where the server puts what is temporary; the others are for models that it copies from a store."""


class Process:
    """A tritonserver under its guardian, which cleans up however the two of us end.

    Attributes:
        directory: The server's temporary directory; the name of each of its shared-memory regions starts with this
            one's name.
        pid: The server's; 0 unless it could be started.
        key: What opens the endpoints that it keeps closed.
    """

    def __init__(self, log: Log, stop_grace: float, *, guarded: bool = False, shared_memory: bool = False) -> None:
        """Make the temporary directory.

        Args:
            log: Where the server writes.
            stop_grace: Seconds that the server has for the requests in flight when it must end.
            guarded: Close all of HTTP to those without the key.
            shared_memory: Let those with the key register shared memory.

        Raises:
            ShortageError: There is no temporary directory, or no room in it.
        """
        self.pid = 0
        self._log = log
        self._stop_grace = stop_grace
        self._openness = {"guarded": guarded, "shared_memory": shared_memory}
        self._guardian: subprocess.Popen[str] | None = None
        try:
            self.directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
        except OSError as error:
            raise no_directory(explain(error)) from None
        try:
            # The stubs' environments, and what else is temporary: it goes with the directory, however the server ends.
            (self.directory / "tmp").mkdir()
            self.key = make_key(self.directory)
        except OSError as error:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise no_directory(explain(error, self.directory)) from None

    def start(self, installation: Installation, make_arguments: Callable[[Path], Sequence[str]]) -> None:
        """Start the server.

        Args:
            installation: What to start.
            make_arguments: Returns the words of tritonserver's command line, given its temporary directory.

        Raises:
            ShortageError: The machine has no room for it.
            StartError: It cannot be started.
        """
        try:
            if not is_plain(str(self.directory)):
                raise StartError(
                    f"Triton cannot work in {self.directory}; set TMPDIR to a path of ASCII letters and digits"
                )
            installation.lay_out_backends(self.directory / "backends")
            self._guardian = self._start_guardian(installation, make_arguments(self.directory))
        except OSError as error:
            words = explain(error, self.directory)
            shutil.rmtree(self.directory, ignore_errors=True)
            raise ShortageError(f"cannot start the embedded Triton: {words}; TMPDIR chooses the directory") from None
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        assert self._guardian.stdout is not None
        self.pid = int(self._guardian.stdout.readline() or 0)

    def _start_guardian(self, installation: Installation, arguments: Sequence[str]) -> subprocess.Popen[str]:
        cleanup = [self.directory.name, str(self.directory), str(self._stop_grace + 5)]
        return subprocess.Popen(
            [sys.executable, "-I", guardian.__file__, *cleanup, "--", str(installation.server), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.fileno(),
            env=installation.environment()
            | closing_environment(self.key, **self._openness)
            | {name: str(self.directory / "tmp") for name in TEMPORARY},
            cwd=ROOT,  # Whence the stub imports `tritonrepo`, even where it is not installed.
            text=True,
            start_new_session=True,
        )

    def stop(self) -> None:
        """End the server and its stubs: SIGTERM, the requests in flight, and SIGKILL after the grace period.

        A KeyboardInterrupt meanwhile kills it at once. What a guardian that was killed has left is removed here.
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
        if guardian.returncode < 0:
            clean_up(self.directory)

    @property
    def status(self) -> int | None:
        """The exit status of a server that ended by itself; None before it is started and while it runs."""
        return None if self._guardian is None else self._guardian.poll()

    def wait(self, timeout: float | None = None) -> None:
        """Return after `timeout` seconds with the server alive.

        Raises:
            ServerDiedError: It ended by itself.
        """
        assert self._guardian is not None, "the server is not started"
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._guardian.wait(timeout)
            how = f"with status {status}{name_signal(status)}"
            raise ServerDiedError(": ".join([how, *self._log.causes()[:1]]), self._log.tail())


def no_directory(why: str) -> ShortageError:
    """Return what to raise where there is no temporary directory."""
    return ShortageError(f"no temporary directory ({why}); set TMPDIR to one that can be written")

"""Parent of one tritonserver: outlives whoever asked for it by just long enough to clean up.

    python guardian.py SHM_PREFIX DIRECTORY GRACE_SECONDS -- COMMAND…

It starts COMMAND in a process group of its own and prints its pid. When its standard input reaches end of file (the
owner closed it, or died, `kill -9` included) or a SIGTERM arrives, it sends SIGTERM to the command, and SIGKILL after
the grace period or at a second SIGTERM. However the command ended, it then kills what is left of the group (the Python
backend's stubs), removes the shared-memory regions whose names start with SHM_PREFIX, removes DIRECTORY, and exits
with the command's status. Standard library only: it runs isolated and starts in a few milliseconds.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
SHARED_MEMORY = Path("/dev/shm")


def main(argv: list[str]) -> int:
    prefix, directory, grace, _, *command = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake, wakeup = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(wakeup, b"T"))
    libc = ctypes.CDLL(None, use_errno=True)
    # The stubs become our children when the server dies before them, so that none of them can escape the last wait.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
        )
        print(server.pid, flush=True)
        supervise(server, wake, float(grace))
        end_group(server.pid)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", file=sys.stderr)
        return 126
    finally:
        for region in SHARED_MEMORY.glob(f"{prefix}*"):
            region.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def supervise(server: subprocess.Popen[bytes], wake: int, grace: float) -> None:
    """Return when the server has ended, by itself or because we were told to end it."""
    ended = os.pidfd_open(server.pid)
    readable, _, _ = select.select([sys.stdin, wake, ended], [], [])
    if ended not in readable:
        if wake in readable:
            os.read(wake, 1)
        server.terminate()
        if ended not in select.select([wake, ended], [], [], grace)[0]:
            server.kill()
    server.wait()


def end_group(group: int) -> None:
    """Kill what is left of the server's process group and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

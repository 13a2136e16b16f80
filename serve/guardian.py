"""Parent of one tritonserver: outlives whoever asked for it by just long enough to clean up.

    python guardian.py SHM_PREFIX DIRECTORY GRACE_SECONDS -- COMMAND…

It starts COMMAND in a process group of its own and prints its pid. When its standard input reaches end of file (the
owner closed it, or died, `kill -9` included) or a SIGTERM arrives, it sends SIGTERM to the command, and SIGKILL after
the grace period or at a second SIGTERM. However the command ended, it then kills what is left of the group (the Python
backend's stubs), removes the shared-memory regions whose names start with SHM_PREFIX, removes DIRECTORY, and exits
with the command's status. Standard library only: it runs isolated and starts in a few milliseconds.

A word `$NAME` of COMMAND stands for an environment variable that holds a secret. Everybody on a host can read the
command line of a process, and its environment only its user. So the command line keeps the word `$NAME`, and its
pointer in the argument list is turned to the variable's value before the command's first instruction. That takes
ptrace; where the system forbids it, the value goes on the command line, and a line on standard error says so.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
PTRACE_TRACEME = 0  # sys/ptrace.h
PTRACE_DETACH = 17
START_STACK = 25  # proc_pid_stat(5), counted after the name: where the argument count lies, then the pointers.
POINTER = ctypes.sizeof(ctypes.c_void_p)
TICK = 0.2
DEAD_SECONDS = 1.0
"""How long a server that must end may go on when all of its stubs have ended."""
SHARED_MEMORY = Path("/dev/shm")
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def main(argv: list[str]) -> int:
    """Run the command to its end; its exit status."""
    prefix, directory, grace, _, *command = argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake, wakeup = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(wakeup, b"T"))
    # The stubs become our children when the server dies before them, so that none of them can escape the last wait.
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = start(command)
        print(server.pid, flush=True)
        supervise(server, wake, float(grace))
        end_group(server)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", file=sys.stderr)
        return 126
    finally:
        for region in SHARED_MEMORY.glob(f"{prefix}*"):
            region.unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the command, its secrets out of sight if that is possible.

    Raises:
        OSError: It cannot be started.
    """
    try:
        return start_traced(command)
    except (subprocess.SubprocessError, OSError) as error:
        shown = [os.environ[word[1:]] if word.startswith("$") else word for word in command]
        server = spawn(shown, traced=False)
        print(f"secrets are on the command line, where every user can read them: {error}", file=sys.stderr, flush=True)
        return server


def start_traced(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the command, stop it before its first instruction, and turn its `$NAME` words to their values.

    Raises:
        OSError: It cannot be started, or its memory not be written.
        subprocess.SubprocessError: The system forbids ptrace.
    """
    server = spawn(command, traced=True)
    try:
        os.waitpid(server.pid, 0)
        reveal(server.pid, command)
        LIBC.ptrace(PTRACE_DETACH, server.pid, None, None)
    except BaseException:
        server.kill()
        server.wait()
        raise
    return server


def spawn(command: Sequence[str], *, traced: bool) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own; it ends with us."""

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if traced and LIBC.ptrace(PTRACE_TRACEME, 0, None, None):
            raise PermissionError

    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True, preexec_fn=prepare
    )


def reveal(pid: int, command: Sequence[str]) -> None:
    """Turn the pointer of each `$NAME` among a stopped process's arguments to the value in its environment.

    Raises:
        OSError: Its memory cannot be read or written, or there is no such variable.
    """
    stack = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[START_STACK])
    memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)

    def pointer(slot: int) -> int:
        return int.from_bytes(os.pread(memory, POINTER, stack + POINTER * slot), sys.byteorder)

    def find_value(name: bytes) -> int:
        slot = len(command) + 2  # After the count, the arguments and the null pointer that ends them.
        while os.pread(memory, len(name), pointer(slot)) != name:
            slot += 1
        return pointer(slot) + len(name)

    try:
        for slot, word in enumerate(command, start=1):
            if word.startswith("$"):
                value = find_value(f"{word[1:]}=".encode())
                os.pwrite(memory, value.to_bytes(POINTER, sys.byteorder), stack + POINTER * slot)
    finally:
        os.close(memory)


def supervise(server: subprocess.Popen[bytes], wake: int, grace: float) -> None:
    """Return when the server has ended, by itself or because we were told to end it. It is not reaped yet."""
    ended = os.pidfd_open(server.pid)
    readable, _, _ = select.select([sys.stdin, wake, ended], [], [])
    if ended not in readable:
        if wake in readable:
            os.read(wake, 1)
        server.terminate()
        if ended not in wait_for(server.pid, [wake, ended], grace):
            server.kill()
    select.select([ended], [], [])


def wait_for(pid: int, wakers: list[int], grace: float) -> list[int]:
    """Return what became readable within the grace period, or until nothing is left that the server could wait for.

    Triton 2.51 waits for a stub that has died as long as it may: it never asks the system whether it is alive.
    """
    deadline, last = time.monotonic() + grace, time.monotonic()
    while time.monotonic() < deadline:
        readable, _, _ = select.select(wakers, [], [], TICK)
        states = child_states(pid)
        if readable:
            return readable
        if not states or set(states) != {"Z"}:
            last = time.monotonic()
        elif time.monotonic() - last > DEAD_SECONDS:
            break
    return []


def child_states(pid: int) -> list[str]:
    """Return the state letter of each child of a process; Z is one that has ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It may end at any moment.
            state, parent, *_ = file.read_text(errors="replace").rpartition(")")[2].split()
            found += [state] if parent == str(pid) else []
    return found


def end_group(server: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the ended server's process group, then reap all: until then its number is no other's."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The guardian of a process by itself: secrets, and where the system forbids to hide them."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tritonrepo.serve import guardian

SHOW = "import sys; print(sys.argv[1:]); print(open('/proc/self/cmdline').read().split(chr(0))[3:-1])"
SECRETS = {"FIRST": "a secret", "SECOND": "another"}

# A filter that answers ptrace with EPERM, as containers and hardened systems have it.
WITHOUT_PTRACE = """
import ctypes, os, struct, sys
number = int(sys.argv[1])
instructions = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
program = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
buffer = ctypes.create_string_buffer(program)
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, header, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
PTRACE = {"x86_64": 101, "aarch64": 117}


def run(directory: Path, *command: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command under a guardian, to its end."""
    words = ["-I", guardian.__file__, "no-such-region", str(directory), "5", "--", *command]
    with subprocess.Popen(
        [sys.executable, *before, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | SECRETS,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pid, errors = process.stdout.readline(), process.stderr.read()
    return subprocess.CompletedProcess(command, process.returncode, pid, errors)


def test_secrets_reach_the_command_and_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    done = run(tmp_path / "place", sys.executable, "-c", SHOW, "--a", "$SECOND", "$FIRST", "b$FIRST")
    assert done.returncode == 0
    seen, shown = done.stderr.splitlines()
    assert seen == "['--a', 'another', 'a secret', 'b$FIRST']"
    assert shown == "['--a', '$SECOND', '$FIRST', 'b$FIRST']"
    assert not (tmp_path / "place").exists()


def test_without_ptrace_it_runs_and_says_what_that_costs(tmp_path: Path) -> None:
    number = str(PTRACE[platform.machine()])
    done = run(tmp_path, sys.executable, "-c", SHOW, "$FIRST", before=("-c", WITHOUT_PTRACE, number))
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines.count("['a secret']") == 2
    assert any(line.startswith("secrets are on the command line, where every user can read them") for line in lines)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_status_is_the_commands(tmp_path: Path, code: str, status: int) -> None:
    assert run(tmp_path, sys.executable, "-c", code, "$FIRST").returncode == status


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "/nowhere/tritonserver", "$FIRST")
    assert done.returncode == 126
    assert "/nowhere/tritonserver cannot be started: " in done.stderr


def test_a_signal_at_once_ends_it(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)", "$FIRST"]
    words = ["-I", guardian.__file__, "no-such-region", str(tmp_path), "5", "--", *sleep]
    with subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | SECRETS,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM

"""What a server needs of the machine, in words."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tritonrepo.serve.errors import CannotAskError, ShortageError
from tritonrepo.serve.limits import find_used_up_files, name_signal, require_files, require_shared_memory, shortage
from tritonrepo.serve.questions import exchange


@contextmanager
def files_allowed(number: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_few_files() -> None:
    with files_allowed(300):
        require_files(2)
        with pytest.raises(ShortageError, match=r"may open 300 files here, .* 416 for 10 models; .* ulimit -n 4096"):
            require_files(10)


def test_a_soft_limit_on_files_is_raised_as_far_as_the_system_allows() -> None:
    code = (
        "import resource\nfrom tritonrepo.serve.limits import allow_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 500))\nallow_files()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "(500, 500)\n"


def test_a_process_that_may_open_nothing_more_is_told_from_others() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert find_used_up_files(process.pid) == ""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, hard))
        assert find_used_up_files(process.pid) == "it has opened all the 3 files that it may (ulimit -n)"
        process.kill()
    assert find_used_up_files(process.pid) == ""


def test_who_cannot_ask_does_not_call_the_server_silent() -> None:
    with files_allowed(0), pytest.raises(CannotAskError, match="may not open more than 0 files"):
        exchange("127.0.0.1:1", "GET", "/v2", None, {}, 1)


def test_too_little_shared_memory() -> None:
    require_shared_memory(1)
    many = shutil.disk_usage("/dev/shm").total
    with pytest.raises(ShortageError, match=r"/dev/shm is full: .* MB are free"):
        require_shared_memory(many)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, ""),
        (1, ""),
        (137, " (SIGKILL: killed, by somebody or for want of memory)"),
        (-9, " (SIGKILL: killed, by somebody or for want of memory)"),
        (139, " (SIGSEGV)"),
        (255, ""),
    ],
)
def test_signals_are_named(status: int, words: str) -> None:
    assert name_signal(status) == words


def test_full_shared_memory_is_told_from_other_reasons() -> None:
    reason = "Internal: Failed to increase the shared memory pool size for key 'x' to 67108864 bytes. No space left"
    assert shortage(reason).startswith("/dev/shm is full (")
    assert shortage("Unable to find shared memory region: 'x'") == ""
    assert shortage("no such model") == ""

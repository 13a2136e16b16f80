"""What a server needs of the machine, in words."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tritonrepo.serve.errors import StartError
from tritonrepo.serve.limits import name_signal, require_files, require_shared_memory, shortage


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
        with pytest.raises(StartError, match=r"may open 300 files here, and .* 416 for 10 models; .* ulimit -n 4096"):
            require_files(10)


def test_too_little_shared_memory() -> None:
    require_shared_memory(1)
    many = shutil.disk_usage("/dev/shm").total
    with pytest.raises(StartError, match=r"/dev/shm is full: .* MB are free"):
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

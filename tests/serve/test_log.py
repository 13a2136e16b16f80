"""The log: bounded, continuous over starts, and what it says of an end."""

import os

from tritonrepo.serve.log import LAST, Log


def write(log: Log, text: str) -> None:
    os.write(log.fileno(), text.encode())


def test_bytes_keep_their_places_when_the_oldest_are_given_back() -> None:
    log = Log()
    write(log, "x" * 1_000_000)
    log.trim(100_000)
    write(log, "end")
    assert log.read(1_000_000) == b"end"
    assert log.read(0) == b"x" * 50_000 + b"end"
    assert os.fstat(log.fileno()).st_blocks * 512 < 100_000


def test_a_short_log_is_left_alone() -> None:
    log = Log()
    write(log, "abc")
    log.trim()
    assert log.read(1) == b"bc"


LOADING = """\
E1126 02:23:08.108260 15654 server.cc:241] "CudaDriverHelper has not been initialized."
E1126 02:23:08.108260 15654 model_lifecycle.cc:638] "failed to load 'broken' version 1: Internal: no"
"""
TAKEN = (
    "E1126 02:23:09 1 main.cc:1] \"failed to start HTTP service: Unavailable - Socket '127.0.0.1:1' already in use\"\n"
)
BOMB = (
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nSignal (6) received.\n"
)


def test_the_cause_of_an_end_is_found_before_a_long_backtrace() -> None:
    log = Log()
    write(log, LOADING)
    log.ready = log.size
    write(log, BOMB + "".join(f"{number}# somewhere\n" for number in range(40)))
    assert log.causes() == [
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "what():  std::bad_alloc",
        "Signal (6) received.",
    ]
    assert log.tail().startswith("the cause, as its log has it:\nterminate called")
    assert log.tail().endswith("\n39# somewhere")


def test_a_cause_is_looked_for_at_the_end_of_a_log_that_was_flooded() -> None:
    log = Log()
    write(log, "error: long ago\n")
    for _ in range(2 * LAST // 50_000):
        write(log, "[warn] Error from accept() call: Too many open files\n" * 1000)
    write(log, BOMB)
    assert log.causes()[0] == "terminate called after throwing an instance of 'std::bad_alloc'"
    assert "long ago" not in log.tail()


def test_the_cause_of_a_failed_start_is_no_broken_model() -> None:
    log = Log()
    write(log, "of the server before\n")
    log.begin = log.size
    write(log, LOADING + TAKEN)
    assert log.causes() == [TAKEN.strip()]
    assert "before" not in log.tail()

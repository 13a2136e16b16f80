"""Arrays in shared memory: found again, reused, and never unmapped under a thread that writes there."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tritonrepo.client import shared_memory as module
from tritonrepo.client.errors import MissingError
from tritonrepo.client.shared_memory import SharedBuffers

SHAPE = (4, 3, 8, 8)


def leftovers() -> set[Path]:
    return set(Path("/dev/shm").glob("client_*"))


def test_a_slice_from_the_start_is_found_and_another_array_is_not() -> None:
    buffers = SharedBuffers()
    buffer = buffers.allocate(SHAPE, np.float32)
    assert buffer.shape == SHAPE
    region = buffers.find(buffer[:2])
    assert region is not None
    assert region.size == buffer.nbytes
    assert buffers.find(buffer[1:]) is None
    assert buffers.find(np.zeros(SHAPE, np.float32)) is None
    buffers.close()


def test_released_buffers_are_used_again() -> None:
    buffers = SharedBuffers()
    first = buffers.allocate(SHAPE, np.float32)
    buffers.release([first])
    assert buffers.allocate(SHAPE, np.float32) is first
    assert buffers.allocate(SHAPE, np.float32) is not first
    buffers.close()


def test_closing_unlinks_and_leaves_live_arrays_usable() -> None:
    before = leftovers()
    buffers = SharedBuffers()
    view = buffers.allocate(SHAPE, np.float32)[1]
    assert leftovers() - before
    buffers.close()
    assert leftovers() == before
    view[:] = 1
    assert view.sum() == view.size


def test_forgetting_to_close_leaves_nothing() -> None:
    before = leftovers()
    SharedBuffers().allocate(SHAPE, np.float32)
    assert leftovers() == before


def test_more_than_there_is_room_for_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_DEVICE", tmp_path)
    with pytest.raises(MissingError, match=r"shared memory is full: .* or do without --shared-memory"):
        SharedBuffers().allocate((1 << 30, 1 << 10), np.float32)


def test_room_that_another_program_takes_first_is_missing_and_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    before, size = leftovers(), shutil.disk_usage("/dev/shm").total
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * size))  # as it was a moment ago
    with pytest.raises(MissingError, match="shared memory is full"):
        SharedBuffers().allocate((size // 4096 + 1, 1024), np.float32)
    assert leftovers() == before

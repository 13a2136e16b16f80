"""Batches that a server on the same host reads where they are: Triton's system shared memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import uuid
import weakref
from collections.abc import Iterable
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tritonrepo.client.errors import (
    ClosedError,
    MissingError,
    RegionLostError,
    RequestError,
    ServerUnavailableError,
    TritonRepoError,
    UsageError,
)
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region, Transport

_DEVICE = Path("/dev/shm")


class SharedBuffers:
    """Arrays in POSIX shared memory. Every region is unlinked by `close`, at the latest when the program ends.

    A program that is killed leaves nothing either: Python's resource tracker outlives it and unlinks its regions.
    """

    def __init__(self) -> None:
        self._mappings: dict[int, tuple[Region, _Mapping]] = {}
        self._idle: list[NDArray[Any]] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _destroy, self._mappings, self._idle)

    def allocate(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """An array in a region of its own, perhaps one that was released.

        Raises:
            MissingError: There is no room.
        """
        with self._lock:
            for buffer in self._idle:
                if buffer.shape == shape and buffer.dtype == dtype:
                    self._idle.remove(buffer)
                    return buffer
            return self._create(shape, dtype)

    def _create(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        # The system hands out more than it has, and kills the program that then writes there.
        free = shutil.disk_usage(_DEVICE).free
        if free < size:
            raise _full(free, size)
        region = Region(f"client_{uuid.uuid4().hex}", size)
        mapping = _Mapping(region.name, create=True, size=size)
        try:
            os.posix_fallocate(mapping.descriptor, 0, size)
        except OSError:  # Another program was faster.
            mapping.unlink()
            mapping.close()
            raise _full(shutil.disk_usage(_DEVICE).free, size) from None
        # Not np.ndarray(buffer=…), as tritonclient does it: that array would not keep its memory from being unmapped.
        assert mapping.buf is not None
        buffer: NDArray[Any] = np.frombuffer(mapping.buf, dtype, int(np.prod(shape))).reshape(shape)
        self._mappings[_address(buffer)] = region, mapping
        return buffer

    def release(self, buffers: Iterable[NDArray[Any]]) -> None:
        """Take arrays back that nobody writes to any more."""
        with self._lock:
            self._idle += buffers

    def find(self, tensor: NDArray[Any]) -> Region | None:
        """The region that the tensor begins, if it is in one."""
        found = self._mappings.get(_address(tensor))
        return found[0] if found else None

    @property
    def regions(self) -> list[Region]:
        """All that there are."""
        return [region for region, _ in self._mappings.values()]

    def close(self) -> None:
        """Unlink every region; an array that is still in use goes on working."""
        self._finalizer()


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _full(free: int, size: int) -> MissingError:
    return MissingError(
        f"shared memory is full: {free:,} bytes free in {_DEVICE}, {size:,} more needed; remove what lies there, "
        "enlarge it, or do without --shared-memory"
    )


class _Mapping(SharedMemory):
    @property
    def descriptor(self) -> int:
        """The file behind it."""
        return int(self._fd)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Unmap, unless a thread still holds an array in it: then the memory goes with the array."""
        with contextlib.suppress(BufferError):
            super().close()


def _destroy(mappings: dict[int, tuple[Region, _Mapping]], idle: list[NDArray[Any]]) -> None:
    idle.clear()
    for _, mapping in mappings.values():
        with contextlib.suppress(FileNotFoundError):
            mapping.unlink()
        mapping.close()
    mappings.clear()


class SharedMemoryTransport:
    """The transport seam, sending only the address of a tensor that lies in `buffers`."""

    def __init__(self, transport: Transport, buffers: SharedBuffers) -> None:
        self.url = transport.url
        self._transport = transport
        self._buffers = buffers
        self._registered: set[str] = set()
        self._lock = threading.Lock()

    def infer(self, request: Inference) -> Answer:
        """One request; its tensor goes by address if it lies in `buffers`."""
        region = self._buffers.find(request.tensor)
        if region is None:
            return self._transport.infer(request)
        self._introduce(region)
        placed = replace(request, region=region)
        try:
            return self._transport.infer(placed)
        except RegionLostError:
            with self._lock:
                self._registered.discard(region.name)
            self._introduce(region)
            return self._transport.infer(placed)

    def _introduce(self, region: Region) -> None:
        with self._lock:
            if region.name in self._registered:
                return
            try:
                self._transport.register(region, region.name)
            except ClosedError:
                raise
            except RequestError as exc:
                raise UsageError(f"{exc}\nShared memory needs a server on the same host that shares /dev/shm.") from exc
            self._registered.add(region.name)

    def close(self) -> None:
        """Also lets the server forget the regions, if it still answers."""
        for region in self._buffers.regions:
            if region.name in self._registered:
                try:
                    self._transport.unregister(region)
                except ServerUnavailableError:
                    break
                except TritonRepoError:
                    continue
        self._transport.close()

    def server(self) -> dict[str, Any]:
        """Triton's server metadata."""
        return self._transport.server()

    def models(self) -> tuple[ModelStatus, ...]:
        """Every model version that a server knows."""
        return self._transport.models()

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The model's config."""
        return self._transport.config(model, version)

    def statistics(self, model: str) -> dict[str, Any]:
        """The model's counters, or those of all that is ready."""
        return self._transport.statistics(model)

    def register(self, region: Region, key: str) -> None:
        """Let the server map a shared memory object."""
        self._transport.register(region, key)

    def unregister(self, region: Region) -> None:
        """Let the server forget a region."""
        self._transport.unregister(region)

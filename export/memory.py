"""How glibc's allocator treats the large tensors of a forward pass.

By default each tensor above 32 MiB is mapped when it is made and unmapped when it is freed, and the kernel clears every
page of the next one. A batch of 64 then spends a third of its time in the kernel. Kept in the heap, a freed tensor's
memory serves the next tensor. That needs huge pages: PyTorch aligns large tensors to 2 MiB then, and glibc before 2.38
finds no freed block for a tensor that is aligned to less.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""The names of glibc's parameters, in malloc.h."""
_LARGEST = 2**31 - 1
_DEFAULTS = {_MMAP_MAX: 65_536, _TRIM_THRESHOLD: 128 << 10}
"""As mallopt(3) states them."""

ENVIRONMENT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "OMP_WAIT_POLICY": "passive"}
"""For a process that only runs networks, beside one that computes: keep all memory, and do not spin while waiting."""


def use_huge_pages() -> None:
    """Let PyTorch ask for them, in this process and in those that it starts. It looks before its first tensor."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


@contextmanager
def kept() -> Iterator[None]:
    """Keep freed memory inside the context, and give it back to the system at its end. Without glibc: do nothing."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _LARGEST)
    try:
        yield
    finally:
        for name, value in _DEFAULTS.items():
            library.mallopt(name, value)
        library.malloc_trim(0)

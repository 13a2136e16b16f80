"""How glibc's allocator treats the large tensors of a forward pass.

By default each tensor above 32 MiB is mapped when it is made and unmapped when it is freed, and the kernel clears every
page of the next one. A batch of 64 then spends a third of its time in the kernel. Kept in the heap, a freed tensor's
memory serves the next tensor.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""The names of glibc's parameters, in malloc.h."""
_LARGEST = 2**31 - 1
_DEFAULTS = {_MMAP_MAX: 65_536, _TRIM_THRESHOLD: 128 << 10}
"""As mallopt(3) states them."""

ENVIRONMENT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "OMP_WAIT_POLICY": "passive"}
"""For a process that only runs networks, beside one that computes: keep all memory, and do not spin while waiting."""


@contextmanager
def kept() -> Iterator[None]:
    """Keep freed memory inside the context, and give it back to the system at its end; nothing where it is not glibc."""
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

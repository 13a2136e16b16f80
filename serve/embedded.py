"""A server for one program's own use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tritonrepo.repository.store.address import Address
from tritonrepo.serve.limits import allow_files
from tritonrepo.serve.triton import TritonServer


@contextmanager
def embedded(repository: Path | Address, shared_memory: bool = False) -> Iterator[str]:
    """Serve a repository until the block ends.

    Args:
        repository: The model repository.
        shared_memory: Let clients of the same user hand images over in shared memory.

    Yields:
        The address of gRPC.

    Raises:
        ServeError: As `TritonServer.start`.
    """
    allow_files()
    with TritonServer(repository, shared_memory=shared_memory) as server:
        yield server.grpc_url

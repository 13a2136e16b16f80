"""The other end of `fresh`: a process that loads an artifact and runs it, as a server does.

It gets its orders from a connection, not from standard input, and prints nothing.
"""

import contextlib
import importlib
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any


def main(words: Sequence[str]) -> None:
    """Serve the connection at descriptor `words[0]` for the formats in `words[1:]`, until the other end closes it."""
    connection = Connection(int(words[0]))
    for name in words[1:]:
        # The imports take as long as loading a network, which the other process does meanwhile.
        with contextlib.suppress(Exception):  # it says so again, to the one who asks for that format
            _converter(name)
    run = None
    while True:
        try:
            order, *given = connection.recv()
        except EOFError:
            return
        try:
            if order == "load":
                run = None  # the last one's memory, before there is another
                run = _converter(given[0]).load(given[1])
                connection.send((None, None))
            else:
                assert run is not None  # nobody runs what was not loaded
                connection.send((None, run(given[0])))
        except Exception as exc:  # each runtime has its own root of errors, and not all can be sent
            connection.send((str(exc) or type(exc).__name__, None))


def _converter(name: str) -> Any:
    """What loads an artifact: the module of its format, or an accelerator."""
    home = "on_openvino" if name == "openvino" else f"to_{name}"
    return importlib.import_module(f"tritonrepo.export.{home}")


if __name__ == "__main__":
    main(sys.argv[1:])

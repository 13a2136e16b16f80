"""What a tritonserver writes: a log without a name, of bounded size, that goes on when the server is started again."""

import ctypes
import os
import re
import tempfile
import weakref

from tritonrepo.serve.errors import StartError

LONGEST = 16 << 20
"""Bytes that are kept at most; the oldest half goes when there are more."""
LAST = 1 << 20
"""Bytes at the end in which a cause is looked for: a server without files left writes 10 MB of warnings in a second."""
TAIL_LINES = 15
CAUSE = re.compile(r"E\d{4} |terminate called|\s+what\(\): |Signal \(\d+\) received|.*[Aa]ssert.* failed|error: ")
# A model that cannot be loaded ends no server, and no GPU is needed.
HARMLESS = re.compile(r"E\d{4} \S+ \d+ (model_|pb_stub|python_be|backend_model|stub_launcher)|.*CudaDriverHelper")
PUNCH_HOLE = 0x02 | 0x01  # linux/falloc.h: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Log:
    """The log of one server and of those that follow it. Its bytes keep their places, also when the oldest are gone.

    Attributes:
        begin: Where the running server's part begins.
        ready: Where it was ready; 0 before.
    """

    def __init__(self) -> None:
        """Make it.

        Raises:
            StartError: There is no temporary directory.
        """
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it has no name, so nothing can be left of it)
        except OSError as error:
            raise StartError(f"no temporary directory ({error}); set TMPDIR to one that can be written") from None
        self._kept = self.begin = self.ready = 0
        weakref.finalize(self, self._file.close)

    def fileno(self) -> int:
        """Where the server writes."""
        return self._file.fileno()

    @property
    def size(self) -> int:
        """Bytes written until now."""
        return os.fstat(self.fileno()).st_size

    def read(self, start: int) -> bytes:
        """Return what there is from the byte `start` on."""
        start = max(start, self._kept)
        # pread, because the server writes at the file's own offset.
        return os.pread(self.fileno(), max(self.size - start, 0), start)

    def text(self, start: int | None = None) -> str:
        """Return the running server's part, or all from the byte `start` on."""
        return self.read(self.begin if start is None else start).decode(errors="replace")

    def trim(self, longest: int = LONGEST) -> None:
        """Give the oldest bytes back to the disk when more than `longest` are kept."""
        if self.size - self._kept <= longest:
            return
        self._kept = self.size - longest // 2
        # Where the file system cannot, the log keeps its length.
        LIBC.fallocate(self.fileno(), PUNCH_HOLE, 0, self._kept)

    def tail(self) -> str:
        """Return the end of the running server's part, after the lines that name a cause."""
        causes, lines = self.causes(), self._last(self.begin).splitlines()
        named = ["the cause, as its log has it:", *causes] if causes else []
        return "\n".join([*named, "the end of its log:", *lines[-TAIL_LINES:]])

    def causes(self) -> list[str]:
        """Return the lines that say why the server ended. What it said while it started is past if it was ready."""
        lines = self._last(self.ready or self.begin).splitlines()
        return [line.strip() for line in lines if CAUSE.match(line) and not HARMLESS.match(line)][:TAIL_LINES]

    def _last(self, start: int) -> str:
        return self.text(max(start, self.size - LAST))

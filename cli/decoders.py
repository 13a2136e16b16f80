"""The decoders' own words: what came of an image is said once, by its name; libtiff would write a line for each row."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

import PIL._imaging as _loaded  # so that the library is there

_MAPS = Path("/proc/self/maps")


def quiet() -> None:
    """Let libtiff, as Pillow has loaded it into this process, write nothing to standard error."""
    assert _loaded
    with contextlib.suppress(OSError, AttributeError):  # No Linux, or Pillow without it.
        maps = _MAPS.read_text(errors="replace").splitlines()
        for path in {line.split(maxsplit=5)[5] for line in maps if "/libtiff" in line}:
            library = ctypes.CDLL(path)
            for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                function = getattr(library, handler)
                function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
                function(None)

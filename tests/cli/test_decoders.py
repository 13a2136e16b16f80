"""A damaged TIFF says nothing by itself: C code writes past Python's streams, so a process of its own shows it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

OPEN = "from tritonrepo.client.images import open_image; from pathlib import Path; import sys"
TRY = "\ntry: open_image(Path(sys.argv[1]))\nexcept Exception as exc: print(exc)"


def test_libtiff_writes_no_line_for_each_row(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 2, (64, 64)).astype(bool)
    Image.fromarray(pixels).save(buffer, "TIFF", compression="group4")
    data = bytearray(buffer.getvalue())
    data[8:200] = np.random.default_rng(1).bytes(192)
    path = tmp_path / "damaged.tif"
    path.write_bytes(data)
    loud, quiet = (
        subprocess.run([sys.executable, "-c", code + TRY, str(path)], capture_output=True, text=True, check=True)
        for code in (OPEN, OPEN + "\nfrom tritonrepo.cli.decoders import quiet; quiet()")
    )
    assert "Fax4" in loud.stderr
    assert quiet.stderr == ""
    assert quiet.stdout == loud.stdout

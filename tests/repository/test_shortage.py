"""What a machine has run out of, in words."""

import errno
import os
from pathlib import Path

import pytest

from tritonrepo.repository.shortage import explain


def full(*filename: str) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *filename)


def test_a_full_disk_is_named_with_where_and_what_to_do(tmp_path: Path) -> None:
    words = explain(full(str(tmp_path / "not" / "there")))
    assert words.startswith(f"no space is left on the disk of {tmp_path} (")
    assert words.endswith("; free some, or choose another directory")
    assert str(tmp_path) in explain(full(), tmp_path)


def test_a_full_device_is_met_for_real(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    assert "no space is left on the disk of" in explain(caught.value, tmp_path)


def test_files_and_memory() -> None:
    assert "allow more with: ulimit -n" in explain(OSError(errno.EMFILE, "Too many open files"))
    assert explain(OSError(errno.ENOMEM, "Cannot allocate memory")).startswith("no memory is left")


def test_other_errors_keep_their_words() -> None:
    assert explain(FileNotFoundError(errno.ENOENT, "No such file or directory", "x")) == "x: No such file or directory"
    assert explain(OSError("odd")) == "odd"

"""The exchange of directories: all of them, or none."""

from pathlib import Path

import pytest

from tritonrepo.client.errors import MissingError
from tritonrepo.repository import files


def make(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text(text)
    return path


def test_a_swap_exchanges_what_is_there(tmp_path: Path) -> None:
    new, live = make(tmp_path / "new", "new"), make(tmp_path / "live", "old")
    files.swap(new, live)
    assert ((live / "file").read_text(), (new / "file").read_text()) == ("new", "old")


def test_a_swap_with_nothing_moves(tmp_path: Path) -> None:
    new = make(tmp_path / "new", "new")
    files.swap(new, tmp_path / "live")
    assert (tmp_path / "live/file").read_text() == "new"
    assert not new.exists()


def test_if_one_swap_fails_none_stays(tmp_path: Path) -> None:
    first, second, third = (make(tmp_path / f"new{number}", f"new {number}") for number in (1, 2, 3))
    live = make(tmp_path / "live", "old")
    pairs = [(first, live), (second, tmp_path / "added"), (third, tmp_path / "nowhere/live")]
    with pytest.raises(FileNotFoundError):
        files.swap_all(pairs)
    assert (live / "file").read_text() == "old"
    assert not (tmp_path / "added").exists()
    assert (first / "file").read_text() == "new 1"
    assert (second / "file").read_text() == "new 2"


def test_a_written_file_never_goes_through_a_hard_link(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    files.link(str(tmp_path / "kept"), str(tmp_path / "file"))
    files.write(tmp_path / "file", "new")
    assert (tmp_path / "kept").read_text() == "kept"
    assert (tmp_path / "file").read_text() == "new"


def test_what_the_disk_refuses_is_missing_with_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(MissingError, match=r"doing this: No such .*nowhere/file.*whole; free space"),
        files.disk_errors("doing this"),
    ):
        (tmp_path / "nowhere/file").write_text("x")

"""labels.txt: which lines are labels."""

from pathlib import Path

import pytest

from tritonrepo.client import label_files
from tritonrepo.client.errors import UsageError
from tritonrepo.repository import labels


@pytest.mark.parametrize("label", ["", " ", "x\0y", "x\x0by", "a\nb", "\ud800"])
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match=r"label 1 is .*: a label is one line of text"):
        label_files.check_labels(["a", label])


def test_labels_may_hold_what_python_takes_for_line_ends() -> None:
    label_files.check_labels(["a\u2028b", "tabby, tabby cat"])


@pytest.mark.parametrize(("content", "count"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\n", 2), (b"a\fb\n", 1)])
def test_triton_counts_lines_as_getline_does(tmp_path: Path, content: bytes, count: int) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    assert labels.count_labels(tmp_path / "labels.txt") == count


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(labels.to_text(["a", "b\u2028c"]))
    assert labels.count_labels(tmp_path / "labels.txt") == 2

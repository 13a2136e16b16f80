"""What a disk refuses."""

from pathlib import Path

import pytest

from tritonrepo.client.errors import MissingError
from tritonrepo.repository import files


def test_what_the_disk_refuses_is_missing_with_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(MissingError, match=r"doing this: No such .*nowhere/file.*whole; free space"),
        files.disk_errors("doing this"),
    ):
        (tmp_path / "nowhere/file").write_text("x")

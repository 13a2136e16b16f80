"""No photograph on which ranges are measured judges."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.errors import UsageError
from tritonrepo.export.int8.calibration import MOST, split


def pictures(directory: Path, count: int) -> list[Path]:
    directory.mkdir()
    paths = [directory / f"{index:04}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.new("RGB", (2, 2), (index % 256, index // 256, 0)).save(path)
    return paths


def test_without_a_directory_every_second_photograph_judges(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "a", 5)
    assert split(None, paths) == ([paths[0], paths[2], paths[4]], [paths[1], paths[3]])


def test_a_copy_of_a_verification_photograph_does_not_judge(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "a", 3)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "other-name.png").write_bytes(paths[1].read_bytes())
    chosen, judges = split(tmp_path / "b", paths)
    assert [path.name for path in chosen] == ["other-name.png"]
    assert judges == [paths[0], paths[2]]


def test_where_nothing_is_left_to_judge_it_is_refused(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "a", 3)
    with pytest.raises(UsageError, match="holds every photograph of the verification, and none is left to judge"):
        split(tmp_path / "a", paths)
    with pytest.raises(UsageError, match="give --calibration DIR"):
        split(None, paths[:1])


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds no image .*; --calibration needs at least one"):
        split(tmp_path / "empty", pictures(tmp_path / "a", 3))


def test_of_many_some_are_chosen_from_all_over(tmp_path: Path) -> None:
    many = pictures(tmp_path / "many", MOST + 50)
    (tmp_path / "judge").mkdir()
    judge = tmp_path / "judge" / "one.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(judge)
    chosen, judges = split(tmp_path / "many", [judge])
    assert (len(chosen), chosen[0], chosen[-1]) == (MOST, many[0], many[-1])
    assert judges == [judge]

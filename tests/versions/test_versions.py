"""A short run; `make rollout` is the long one."""

from pathlib import Path

import pytest
from PIL import Image

from tests.live.releases import draw_pictures
from tests.versions.answers import Seen, is_right
from tests.versions.releases import SAME_CONTRACT, expected, release_of
from tests.versions.rollout import Mode, run
from tritonrepo.client.preprocess import preprocess

RELEASES = 6
IMAGES = 160


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["explicit", "poll"])
def test_a_rolling_update_loses_doubles_and_mixes_nothing(tmp_path: Path, mode: Mode) -> None:
    found = run(tmp_path, images=IMAGES, releases=4, mode=mode, seed=1)
    assert [text for one in found.values() for text in one.problems()] == []
    for name, one in found.items():
        assert len(one.answered) >= IMAGES or "classify" not in name
        assert {"1", "4"} <= one.versions.keys(), name


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return draw_pictures(tmp_path, 1)[0]


def test_each_release_changes_all_but_the_one_of_the_same_contract() -> None:
    for version in range(2, RELEASES + 1):
        before, now = release_of(version - 1), release_of(version)
        changed = [getattr(before, name) != getattr(now, name) for name in ("side", "mean", "resize", "labels", "most")]
        changed.append(len(before.labels) != len(now.labels))
        assert changed == [version != SAME_CONTRACT] * 6, version


@pytest.mark.parametrize("version", range(1, RELEASES + 1))
@pytest.mark.parametrize("other", range(1, RELEASES + 1))
def test_another_versions_picture_labels_or_weights_are_told_from_the_right_ones(
    picture: Path, version: int, other: int
) -> None:
    """Else the run could not fail."""
    right, release = expected(version, picture), release_of(version)
    assert is_right(str(picture), str(version), right)
    if other == version:
        return
    assert not is_right(str(picture), str(version), expected(other, picture))
    if {version, other} == {SAME_CONTRACT - 1, SAME_CONTRACT}:
        return
    with Image.open(picture) as image:
        means = preprocess(image.convert("RGB"), release_of(other).preprocessing).mean(axis=(1, 2))
    prepared_for_the_other = dict(zip(release.labels, (means @ release.weights()).tolist(), strict=True))
    assert not is_right(str(picture), str(version), prepared_for_the_other)
    labelled_by_the_other = dict(zip(release_of(other).labels, right.values(), strict=False))
    assert not is_right(str(picture), str(version), labelled_by_the_other)


def test_what_is_lost_or_doubled_is_counted() -> None:
    seen = Seen(["a", "b", "c"], answered=["a", "c", "c"])
    assert (seen.lost, seen.doubled, len(seen.problems())) == (1, 1, 1)

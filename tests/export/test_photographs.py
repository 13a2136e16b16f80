"""The photographs that artifacts are verified on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import photographs

SMALL = Preprocessing(resize=36, crop=32)


def save(path: Path) -> None:
    """A picture without any symmetry."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)


def test_the_bundled_ones_are_here() -> None:
    assert len(photographs.find()) == len(photographs.BUNDLED)
    assert all(path.is_file() for path in photographs.find())


def test_a_directory_gives_its_images_sorted(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in photographs.find(tmp_path)] == ["a.JPG", "b.png"]


def test_one_photograph_gives_eight_different_images_and_then_repeats(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    images = photographs.batch([tmp_path / "a.png"], SMALL, 9)
    assert images.shape == (9, 3, 32, 32)
    assert images.dtype == np.float32
    assert len({image.tobytes() for image in images[:8]}) == 8
    assert np.array_equal(images[8], images[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "not a directory; --images takes a directory of photographs"),
        (lambda path: path.mkdir(), "holds no image"),
    ],
)
def test_what_holds_no_photograph_is_refused(make: object, message: str, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / "photographs")
    with pytest.raises(UsageError, match=message):
        photographs.find(tmp_path / "photographs")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(UsageError, match=r"verification photograph .*a\.png"):
        photographs.batch([tmp_path / "a.png"], SMALL, 1)

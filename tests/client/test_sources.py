"""Listing images: directories, patterns, and what hostile file systems hold."""

from __future__ import annotations

import os
import tracemalloc
import unicodedata
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.sources import Source, expand, said_of, sources


def names(*words: str) -> list[str]:
    return [source.name for source in expand(words)]


def test_a_directory_gives_its_images_in_order_and_below(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "z/c.webp", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert names(str(tmp_path)) == [str(tmp_path / name) for name in ("a.JPG", "b.png", "z/c.webp")]


def test_patterns_urls_and_words_keep_their_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).touch()
    words = ("https://example.org/x.png", str(tmp_path / "*.png"), str(tmp_path / "named outright"))
    assert names(*words) == [words[0], str(tmp_path / "a.png"), str(tmp_path / "b.png"), words[2]]


@pytest.mark.parametrize("word", ["empty", "empty/*.png", "missing.png"])
def test_a_word_that_leads_nowhere_is_an_error_of_its_own(tmp_path: Path, word: str) -> None:
    (tmp_path / "empty").mkdir()
    (source,) = expand([str(tmp_path / word)])
    with pytest.raises(ImageError):
        source.load()


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_word_is_not_the_working_directory(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a shell's variable that is not set."""
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    (source,) = expand([word])
    with pytest.raises(ImageError, match="an empty path"):
        source.load()


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.png").touch()
    (tmp_path / "inner" / "up").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    found = list(expand([str(tmp_path)]))
    assert [Path(source.name).name for source in found] == ["self.png", "a.png"]
    with pytest.raises(ImageError, match="symbolic links"):
        found[0].load()


@pytest.mark.parametrize("name", [b"with space.png", b"new\nline.png", b"caf\xe9.png", b"[x].png", "日本.png".encode()])
def test_any_name_can_be_read(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    Image.new("RGB", (2, 2)).save(path)
    for word in (tmp_path, path):
        (source,) = expand([str(word)])
        assert source.load().size == (2, 2)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (source,) = expand([str(tmp_path)])
    with pytest.raises(ImageError, match="not a regular file"):
        source.load()


@pytest.mark.slow
def test_a_huge_directory_is_listed_lazily(tmp_path: Path) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"{number:06}.jpg", os.O_CREAT))
    tracemalloc.start()
    first = list(islice(expand([str(tmp_path)]), 3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(first) == 3
    assert peak < 8 << 20
    assert sum(1 for _ in expand([str(tmp_path)])) == 100_000


def test_python_objects_are_sources_too(tmp_path: Path) -> None:
    picture = Image.new("RGB", (3, 2))
    path = tmp_path / "a.png"
    picture.save(path)
    pixels = np.zeros((2, 3, 3), np.uint8)
    found = list(sources([path, str(path), path.read_bytes(), picture, pixels]))
    assert [source.name for source in found] == [str(path), str(path), "image 2", "image 3", "image 4"]
    assert {source.load().size for source in found} == {(3, 2)}


def test_one_picture_alone_is_a_picture(tmp_path: Path) -> None:
    picture = Image.new("RGB", (3, 2))
    path = tmp_path / "a.png"
    picture.save(path)
    data = path.read_bytes()
    files = (path, str(path), tmp_path, str(tmp_path), str(tmp_path / "*.png"))
    objects = (data, bytearray(data), memoryview(data), picture, np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3)))
    for given in (*files, *objects):
        (source,) = sources(given)  # type: ignore[arg-type]
        assert source.load().size == (3, 2)


def test_several_pictures_may_come_in_any_collection(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (3, 2)).save(tmp_path / name)
    names = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for given in (tuple(names), iter(names), dict.fromkeys(names), np.array(names)):
        assert [source.name for source in sources(given)] == names
    batch = np.zeros((4, 2, 3, 3), np.uint8)
    assert [source.load().size for source in sources(batch)] == [(3, 2)] * 4


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with (tmp_path / "a.png").open("rb") as file:
        for given in (None, 7, file):
            with pytest.raises(UsageError, match=f"images is a {type(given).__name__}: give a path"):
                sources(given)  # type: ignore[arg-type]
    (source,) = sources([7])  # type: ignore[list-item]
    with pytest.raises(ImageError, match="not an image: int"):
        source.load()


def test_an_array_that_is_no_image_is_refused() -> None:
    with pytest.raises(ImageError, match="not an image"):
        Source("x", np.zeros((2, 2, 7), np.complex64)).load()


def test_pictures_that_cannot_be_read_are_counted_once(tmp_path: Path) -> None:
    for name in ("a.heic", "b.HEIC", "z/c.dng", "z/d.svg", "e.png", "notes.txt", ".hidden.heic", "f.heic.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    left_out: Counter[str] = Counter()
    assert len(list(expand([str(tmp_path)], left_out))) == 2
    assert left_out == {".heic": 2, ".dng": 1, ".svg": 1}
    assert said_of(Counter({".heic": 10, ".dng": 2})) == (
        "12 files were left out: 10 .heic, 2 .dng. This client does not read these formats; convert them."
    )
    assert said_of(Counter([".heic"])) == (
        "1 file was left out: 1 .heic. This client does not read these formats; convert them."
    )
    assert said_of(Counter()) is None


def test_what_is_named_outright_is_tried_and_not_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"no picture that Pillow knows")
    left_out: Counter[str] = Counter()
    (source,) = expand([str(path)], left_out)
    assert not left_out
    with pytest.raises(ImageError, match="not an image in a known format"):
        source.load()


def test_the_other_spelling_of_a_word_is_found(tmp_path: Path) -> None:
    there = tmp_path / unicodedata.normalize("NFD", "caf\u00e9")
    there.mkdir()
    Image.new("RGB", (3, 2)).save(there / "a.png")
    for word in ("caf\u00e9", "caf\u00e9/a.png", unicodedata.normalize("NFD", "caf\u00e9")):
        (source,) = expand([str(tmp_path / word)])
        assert source.load().size == (3, 2)


def test_a_files_identity_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    source = Source("a", path)
    assert source.identity() == "missing"
    path.write_bytes(b"one")
    os.utime(path, ns=(5, 7))
    assert source.identity() == "3-7"
    os.utime(path, ns=(5, 8))
    assert source.identity() == "3-8"
    assert Source("a", "https://example.org/a.png").identity() == Source("a", b"bytes").identity() == ""

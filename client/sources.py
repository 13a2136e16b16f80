"""Where images come from: files, directories, patterns, URLs, and objects in memory. Everything is listed lazily."""

from __future__ import annotations

import glob
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.errors import ImageError, UsageError
from tritonrepo.client.fetch import fetch
from tritonrepo.client.images import FORMATS, as_file, open_image, oriented, read_file, system_error
from tritonrepo.client.text import scheme_of

Picture: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]"
T = TypeVar("T")

# What a directory is searched for. A file that is named outright may have any name.
SUFFIXES = frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
# Pictures that people keep beside the others and that we do not open: of cameras and phones, of editors, of scanners.
_OTHER_PICTURES = (
    ".heic", ".heif", ".hif", ".heics", ".avif", ".avifs", ".jxl", ".jxr", ".wdp", ".hdp", ".webp", ".jp2", ".dng",
    ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".raw", ".pef", ".srw",
    ".x3f", ".erf", ".kdc", ".dcr", ".mrw", ".3fr", ".fff", ".iiq", ".rwl", ".psd", ".psb", ".xcf", ".kra", ".svg",
    ".svgz", ".ai", ".eps", ".ps", ".pdf", ".exr", ".hdr", ".dcm", ".dicom", ".fits", ".fit", ".fts", ".dds", ".ktx",
    ".icns", ".cur", ".djvu", ".emf", ".wmf", ".xbm", ".xpm", ".bpg", ".flif", ".nii", ".svs", ".ndpi", ".mrxs",
)  # fmt: skip
UNREADABLE_SUFFIXES = frozenset(_OTHER_PICTURES) - SUFFIXES
# The identities of a file that is not there, and of one that the system could not read just then.
MISSING = "missing"
UNREAD = "unread"
# Names are sorted this many at a time: in order for any usual directory, in bounded memory for a huge one.
SORTED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Source:
    """One image that is still to be decoded.

    Attributes:
        name: How results speak of it.
        content: A path, a URL, the bytes of an image file, an image, or what is wrong with it.
    """

    name: str
    content: Path | str | bytes | Image.Image | NDArray[Any] | ImageError

    def load(self, *, orient: bool = True, least_side: int | None = None) -> Image.Image:
        """The decoded image; see `open_image`.

        Raises:
            ImageError: There is no image that can be used.
        """
        content = self._found()
        if isinstance(content, Image.Image):
            return oriented(content) if orient else content
        return open_image(content, orient=orient, least_side=least_side)

    def read(self) -> bytes:
        """The image file itself, not decoded; a picture in memory as a file of the same pixels, upright.

        Raises:
            ImageError: There is no image that can be used, as far as its head tells.
        """
        content = self._found()
        return as_file(oriented(content)) if isinstance(content, Image.Image) else read_file(content)

    def _found(self) -> Path | bytes | Image.Image:
        content = self.content
        if isinstance(content, ImageError):
            raise content
        if isinstance(content, np.ndarray):
            return _from_array(content)
        if isinstance(content, str):
            return fetch(content)
        if isinstance(content, Path):
            content = existing(content)
            _refuse_special(content)
        return content

    def identity(self) -> str:
        """Of a file, its size and time of change, which differ once it is another; empty for what is no file."""
        if not isinstance(self.content, Path):
            return ""
        try:
            status = existing(self.content).stat()
        except (OSError, ValueError):
            return MISSING
        return f"{status.st_size}-{status.st_mtime_ns}"


def existing(path: Path) -> Path:
    """The path, in the spelling (NFC or NFD) that is there; as it was given where none is."""
    if os.path.lexists(path):
        return path
    spellings = (Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD"))
    return next((other for other in spellings if os.path.lexists(other)), path)


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    try:
        return Image.fromarray(pixels)
    except (TypeError, ValueError) as exc:
        raise ImageError(f"not an image: array of {pixels.dtype} {list(pixels.shape)}") from exc


def _refuse_special(path: Path) -> None:
    """Opening a named pipe would wait for ever."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        raise system_error(exc, path.name) from exc
    except ValueError as exc:
        raise ImageError(str(exc), path.name) from exc
    if not stat.S_ISREG(mode):
        raise ImageError("a directory" if stat.S_ISDIR(mode) else "not a regular file", path.name)


def is_url(text: str) -> bool:
    """Whether the word is an address that an image is fetched from."""
    return text.lower().startswith(("http://", "https://"))


def of_name(name: str, path: Path) -> Source:
    """The image that a person calls so: at its address, or at this path."""
    if is_url(name):
        return Source(name, name)
    scheme = scheme_of(name)
    if scheme and not os.path.lexists(path):
        return Source(name, ImageError(f"images are not fetched by {scheme}; give http, https or a path", name))
    return Source(name, path)


def sources(pictures: Picture | Iterable[Picture]) -> Iterator[Source]:
    """Anything that the Python interface takes: one picture, or several.

    Strings and paths are words as in `expand`; the others are bytes, Pillow images and arrays.

    Raises:
        UsageError: It is neither a picture nor a collection of them.
    """
    if _is_picture(pictures):
        return _each([cast(Picture, pictures)])
    if hasattr(pictures, "read") or not isinstance(pictures, Iterable):
        kind = type(pictures).__name__
        raise UsageError(f"images is a {kind}: give a path, a URL, bytes, a Pillow image, an array, or a list of these")
    return _each(cast("Iterable[Picture]", pictures))


def _is_picture(given: object) -> bool:
    """A string or bytes can be iterated over, and so can an array: by rows."""
    if isinstance(given, np.ndarray):
        return given.dtype.kind in "biufc" and given.ndim <= 3
    return isinstance(given, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image))


def _each(pictures: Iterable[Picture]) -> Iterator[Source]:
    for number, picture in enumerate(pictures):
        if isinstance(picture, (str, os.PathLike)):
            yield from expand([os.fsdecode(picture)])
        else:
            name = os.fsdecode(getattr(picture, "filename", "") or f"image {number}")
            yield Source(name, _content(picture))


def _content(picture: object) -> bytes | Image.Image | NDArray[Any] | ImageError:
    if isinstance(picture, (bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (bytes, Image.Image, np.ndarray)):
        return picture
    return ImageError(f"not an image: {type(picture).__name__}")


def expand(arguments: Iterable[str], left_out: Counter[str] | None = None) -> Iterator[Source]:
    """Command-line words as sources, in order. A word that leads to nothing is a source that says so when loaded.

    Args:
        arguments: Paths, directories, patterns and URLs.
        left_out: Is told of the pictures in directories that cannot be opened: how many of each suffix.
    """
    left_out = Counter() if left_out is None else left_out
    for argument in arguments:
        path = existing(Path(argument))
        if not argument.strip():
            yield Source(argument, ImageError("an empty path; . is the working directory"))
        elif is_url(argument) or (scheme_of(argument) and not os.path.lexists(path)):
            yield of_name(argument, path)
        elif _is_dir(path):
            yield from _or_problem(argument, _walk(path, left_out), "no images in this directory")
        elif not os.path.lexists(path) and glob.has_magic(argument):
            yield from _or_problem(argument, _matching(argument, left_out), "nothing matches this pattern")
        else:
            yield Source(argument, path)


def _is_dir(path: Path) -> bool:
    """False also where nobody may look, which Path.is_dir() raises for; reading it will say so."""
    return os.path.isdir(path)  # noqa: PTH112


def _or_problem(name: str, found: Iterator[Source], problem: str) -> Iterator[Source]:
    empty = True
    for source in found:
        empty = False
        yield source
    if empty:
        yield Source(name, ImageError(problem, name))


def _matching(pattern: str, left_out: Counter[str]) -> Iterator[Source]:
    for name in _sorted_in_chunks(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(name)
        if _is_dir(path):
            yield from _walk(path, left_out)
        else:
            yield Source(name, path)


def _walk(top: Path, left_out: Counter[str]) -> Iterator[Source]:
    """The images below a directory: its files, then its subdirectories. Links are followed, each place once."""
    seen: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        try:
            status = directory.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(directory) as entries:
                yield from _images(directory, (entry.name for entry in entries), left_out)
            with os.scandir(directory) as entries:
                names = sorted((entry.name for entry in entries if _is_directory(entry)), reverse=True)
        except OSError as exc:
            yield Source(str(directory), ImageError(exc.strerror or str(exc), str(directory)))
            continue
        waiting += [directory / name for name in names]


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:  # a link to itself
        return False


def _images(directory: Path, names: Iterator[str], left_out: Counter[str]) -> Iterator[Source]:
    for name in _sorted_in_chunks(_wanted(names, left_out)):
        path = directory / name
        if not _is_dir(path):
            yield Source(str(path), path)


def _wanted(names: Iterator[str], left_out: Counter[str]) -> Iterator[str]:
    for name in names:
        suffix = Path(name).suffix.lower()
        if name.startswith("."):
            continue
        if suffix in SUFFIXES:
            yield name
        elif suffix in UNREADABLE_SUFFIXES:
            left_out[suffix] += 1


def said_of(left_out: Counter[str]) -> str | None:
    """The sentence about pictures that were left out; None where none were."""
    if not left_out:
        return None
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in left_out.most_common())
    files = "file was" if left_out.total() == 1 else "files were"
    return f"{left_out.total():,} {files} left out: {kinds}. This client does not read these formats; convert them."


def _sorted_in_chunks(names: Iterator[str]) -> Iterator[str]:
    while chunk := sorted(islice(names, SORTED_AT_ONCE)):
        yield from chunk

"""Image files as pictures: opened within bounds, turned upright, and brought from any colour mode to RGB."""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tritonrepo.client.errors import ImageError, UnreachableImageError
from tritonrepo.client.strangers import HEAD, why_unreadable

Pixels: TypeAlias = NDArray[np.uint8]

# Pillow's own warning limit: 358 MB once decoded. Every decoding thread may hold one such picture.
MAX_PIXELS = 89_478_485
# So many pixels with four channels of 16 bits, uncompressed, are 716 MB. Some decoders read the whole file first.
MAX_BYTES = 1 << 30
# A JPEG may go over all its pixels again and again, in a few bytes each time: 64 MB of it would take hours. Photographs
# have about ten.
MAX_SCANS = 100
# Seconds that a decoder may take, by what its like has taken at most. Photographs of the largest size stay below.
MAX_SECONDS = 5.0
# Of one core, the most nanoseconds that were measured for a pixel and for a byte of the file (benchmarks/decoding.py).
_COSTS = {
    "JPEG": (3, 20),
    "WEBP": (15, 85),
    "AVIF": (50, 100),
    "JPEG2000": (90, 200),
}
_COSTS_OF_OTHERS = (17, 4)
_COST_OF_SCAN = 2
_IN_TIFF = {"jpeg": "JPEG", "webp": "WEBP"}
_START_OF_SCAN = b"\xff\xda"
_CHUNK = 1 << 20
# A share that is gone or does not answer, a disk that fails, and want of descriptors or memory.
_PASSING = frozenset({
    errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH,
    errno.ENODEV, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
})  # fmt: skip
# Raster formats which Pillow decodes by itself; EPS, for one, would start Ghostscript on a stranger's file.
FORMATS = (
    "JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP",
    "DIB", "PPM", "JPEG2000", "TGA", "ICO", "PCX", "SGI", "QOI",
)  # fmt: skip

# Pillow loads its rarer plugins on the first unknown file only, and fails on a format that it has not loaded.
Image.init()
_OPENABLE = tuple(name for name in FORMATS if name in Image.OPEN)


def open_image(source: Path | bytes | BinaryIO, *, orient: bool = True, least_side: int | None = None) -> Image.Image:
    """Decode the first frame of an image file, whatever its mode.

    Args:
        source: The file, or what is in it.
        orient: Turn the picture as its EXIF orientation says.
        least_side: Scale a JPEG by 1/2, 1/4 or 1/8 while it is decoded, to no less than this short side in pixels. Not
            exact: with the short side of the preprocessing, the tensors of photographs differ by 0.02 on average (one
            grey level of 255); 3 times as fast at 1920x1080, 5 times and more at 12 MP (benchmarks/preprocessing.py).

    Raises:
        ImageError: Not an image, truncated, unreadable, or more than MAX_BYTES, MAX_PIXELS, MAX_SCANS or MAX_SECONDS to
            decode.
    """
    with _image_errors(source), _open(source, least_side) as image:
        image.load()
        return oriented(image) if orient else image


def read_file(source: Path | bytes) -> bytes:
    """The bytes of an image file that is within the limits by what its head says: nothing is decoded.

    Raises:
        ImageError: As `open_image`, for what can be known without decoding.
    """
    with _image_errors(source):
        if isinstance(source, Path):
            _refuse_large(source)
            source = source.read_bytes()
        with _open(source, None):
            return source


def as_file(image: Image.Image) -> bytes:
    """A picture as an image file that decodes to the same 8-bit RGB pixels: PNG.

    Raises:
        ImageError: As `to_rgb`.
    """
    file = io.BytesIO()
    to_rgb(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


@contextmanager
def _open(source: Path | bytes | BinaryIO, least_side: int | None) -> Iterator[Image.Image]:
    """The file opened, and refused where it is beyond a limit."""
    name = _name(source)
    size = _refuse_large(source)
    with _file(source) as file, Image.open(file, formats=_OPENABLE) as image:
        scans = _count_scans(image, name) if image.format in ("JPEG", "MPO") else 0
        if scans and _is_held_whole(image):
            _refuse_bomb(image.size, name)
        if least_side:
            image.draft(None, (least_side, least_side))
        _refuse_bomb(image.size, name)
        _refuse_slow(image, scans, size, name)
        yield image


@contextmanager
def _image_errors(source: Path | bytes | BinaryIO) -> Iterator[None]:
    """Whatever a decoder raises, as an ImageError."""
    name = _name(source)
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as exc:
        raise ImageError(why_unreadable(_head(source)), name) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageError(f"decompression bomb: {_said_of_bomb(exc)}", name) from exc
    except MemoryError as exc:
        raise ImageError("not enough memory to decode it", name) from exc
    except OSError as exc:  # With a number it is the system's, without one Pillow's.
        raise (ImageError(f"damaged image: {exc}", name) if exc.errno is None else system_error(exc, name)) from exc
    # Decoders fail on hostile bytes in every way that Python knows, so that no list of types would be complete.
    except Exception as exc:
        raise ImageError(f"damaged image: {exc}", name) from exc


def system_error(exc: OSError, name: str | None) -> ImageError:
    """What the system says of a file, as the image's error; of another kind where it may pass."""
    kind = UnreachableImageError if exc.errno in _PASSING else ImageError
    return kind(exc.strerror or str(exc), name)


def _said_of_bomb(exc: Exception) -> str:
    """Pillow refuses by itself what has twice as many pixels as are safe, in other words than ours."""
    found = re.search(r"\((\d+) pixels\)", str(exc))
    return f"{int(found[1]):,} pixels, more than the {MAX_PIXELS:,} that are safe to decode" if found else str(exc)


def _name(source: Path | bytes | BinaryIO) -> str | None:
    return source.name if isinstance(source, Path) else None


def _refuse_large(source: Path | bytes | BinaryIO) -> int:
    """How many bytes there are."""
    size = _size(source)
    if size > MAX_BYTES:
        raise ImageError(f"{size:,} bytes, more than the limit of {MAX_BYTES:,}", _name(source))
    return size


def _refuse_bomb(size: tuple[int, int], name: str | None) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        reason = f"{width}x{height} is {width * height:,} pixels, more than the {MAX_PIXELS:,} that are safe to decode"
        raise ImageError(f"decompression bomb: {reason}", name)


def _size(source: Path | bytes | BinaryIO) -> int:
    """How many bytes there are; where a file has been read to is left as it is."""
    if isinstance(source, Path):
        return source.stat().st_size
    if isinstance(source, bytes):
        return len(source)
    position = source.tell()
    size = source.seek(0, io.SEEK_END)
    source.seek(position)
    return size


def _refuse_slow(image: Image.Image, scans: int, size: int, name: str | None) -> None:
    kind = image.format or ""
    if kind == "TIFF":
        kind = _IN_TIFF.get(image.info.get("compression", ""), kind)
    seconds = longest_decoding(kind, image.width * image.height, size, scans)
    if seconds > MAX_SECONDS:
        raise ImageError(
            f"decompression bomb: {image.width}x{image.height} pixels in {size:,} bytes of {kind} may take "
            f"{seconds:.0f} s to decode, more than the {MAX_SECONDS:g} s that are allowed",
            name,
        )


def longest_decoding(format_: str, pixels: int, size: int, scans: int = 0) -> float:
    """Seconds that one core may take for a picture of so many pixels, bytes and (of a JPEG) scans."""
    of_pixel, of_byte = _COSTS.get("JPEG" if format_ == "MPO" else format_, _COSTS_OF_OTHERS)
    return (pixels * (of_pixel + _COST_OF_SCAN * scans) + size * of_byte) / 1e9


def _is_held_whole(image: Image.Image) -> bool:
    """Whether the decoder of a JPEG holds all of it in memory before it scales: unless its first scan has all of it."""
    if image.info.get("progressive"):
        return True
    file, components = cast(BinaryIO, image.fp), int(image.layers)  # type: ignore[attr-defined]
    position = file.tell()  # after the head of the first scan
    file.seek(position - 8 - 2 * components)
    begins = file.read(2) == _START_OF_SCAN
    file.seek(position)
    return not begins


def _count_scans(image: Image.Image, name: str | None) -> int:
    """Count them in the file, up to MAX_SCANS; where it has been read to is left as it is."""
    file = cast(BinaryIO, image.fp)  # type: ignore[attr-defined]
    position = file.tell()
    file.seek(0)
    scans, last = 0, b""
    while chunk := file.read(_CHUNK):
        scans += (last + chunk).count(_START_OF_SCAN)
        last = chunk[-1:]
    file.seek(position)
    if scans > MAX_SCANS:
        raise ImageError(
            f"decompression bomb: {scans:,} scans, more than the {MAX_SCANS} that are safe to decode", name
        )
    return scans


@contextmanager
def _file(source: Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """To read from. Pillow would leave a file open that cannot be read."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        yield io.BytesIO(source) if isinstance(source, bytes) else source


def _head(source: Path | bytes | BinaryIO) -> bytes:
    with _file(source) as file:
        file.seek(0)
        return file.read(HEAD)


def oriented(image: Image.Image) -> Image.Image:
    """The picture upright. An EXIF block that cannot be read says nothing about orientation."""
    try:
        # exif_transpose would copy an image that is upright already.
        return ImageOps.exif_transpose(image) if image.getexif().get(ExifTags.Base.Orientation, 1) != 1 else image
    except Exception:
        return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode as 8-bit RGB.

    Transparency is dropped, as torchvision's loader does: it is what classifiers were trained with. More than 8 bits
    are scaled, not clipped, by the smallest range that holds the values: integers 0..65535 or 0..2^31-1; floats 0..1,
    0..255, 0..65535 or the largest value.

    Raises:
        ImageError: The mode has no way to RGB (LAB).
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    # Palettes with transparency and premultiplied alpha have no direct way to RGB.
    try:
        if "transparency" in image.info or image.mode in ("La", "RGBa"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        return image.convert("RGB")
    except ValueError as exc:
        raise ImageError(f"colour mode {image.mode} cannot be shown as RGB") from exc


def _to_8_bit(values: NDArray[Any]) -> Pixels:
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0, 2.0**31 - 1)
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0.0)
    largest = finite.max(initial=0.0)
    full = next((full for full in ranges if largest <= full), largest)
    return cast(Pixels, np.rint(finite * (255.0 / full)).astype(np.uint8))

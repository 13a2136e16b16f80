"""One image that is not there is a row; a network, a server or a file system that has failed ends the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from tritonrepo.client.errors import ImageError, MissingError, UnreachableImageError
from tritonrepo.client.fetch import fetch
from tritonrepo.client.sources import Source

TRIES = 3
"""Of an image, while its server or the way there fails."""
LONGEST_PAUSE = 30.0
"""Seconds that a server may ask for between two tries."""
MOST_IN_A_ROW = 20
"""Of old addresses one in three may lead to a server that is gone for good: 20 in a row do so once in 3,000,000,000."""
_WAY_ON = "With --unreachable row such images are errors among the rows."


class Outages:
    """What fails while one shard is done, as several threads see it.

    A file system that fails ends the run at once. On the web a fault that may pass (no connection, an unknown host, a
    deadline, HTTP status 429 or 5xx) is tried again. Many images in a row that fail so, or all of a small shard, are no
    fault of theirs: the run ends, and the shard is done again by the next one. So it is where a shard ends with such
    images, and one that was had before fails now too.

    Args:
        images: Of the shard.
        lenient: Take every such image for one that is not there.

    Attributes:
        pause: Seconds before the second try; before the third they are twice as many.
    """

    pause = 1.0

    def __init__(self, images: int, *, lenient: bool = False) -> None:
        self._limit = min(MOST_IN_A_ROW, images)
        self.lenient = lenient
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._coming = images
        self._under_way = 0
        self._in_a_row = 0
        self._answered = ""

    def file(self, name: str, path: Path) -> FileImage:
        """An image of the shard in a file."""
        return FileImage(name, path, self.lenient)

    def image(self, name: str, url: str) -> WebImage:
        """An image of the shard on the web."""
        with self._lock:
            self._under_way += 1
        return WebImage(name, url, self)

    def advance(self) -> None:
        """The next image of the shard, of whatever kind, is about to be opened."""
        with self._lock:
            self._coming -= 1

    def fetch(self, url: str) -> bytes:
        """What is at the address.

        Raises:
            ImageError: There is no image, or none that can be reached.
            MissingError: The web has failed.
        """
        try:
            found = self._try(url)
        except UnreachableImageError as exc:
            self._judge(exc, url)
            raise
        except ImageError:
            self._note("")
            raise
        self._note(url)
        return found

    def _try(self, url: str) -> bytes:
        pause = self.pause
        for _ in range(TRIES - 1):
            try:
                return fetch(url)
            except UnreachableImageError as exc:
                if self._ended.wait(min(max(pause, exc.retry_after), LONGEST_PAUSE)):
                    raise
                pause *= 2
        return fetch(url)

    def _note(self, had: str) -> None:
        """A server has answered, and what is at this address was had, if any."""
        with self._lock:
            self._under_way -= 1
            self._in_a_row, self._answered = 0, had or self._answered

    def _judge(self, exc: UnreachableImageError, url: str) -> None:
        """Take the fault for the image's, or raise `MissingError`."""
        with self._lock:
            self._under_way -= 1
            self._in_a_row += 1
            row, witness = self._in_a_row, self._answered
            last = max(self._coming, self._under_way) <= 0
        if self.lenient:
            return
        if row >= self._limit or self._ended.is_set() or (last and witness and not _answers(witness)):
            self._ended.set()
            raise MissingError(
                f"{row} images in a row could not be fetched, the last of them from {urlsplit(url).netloc}: "
                f"{exc.reason}. Is the network up, and the server? {_WAY_ON}"
            ) from exc


def _answers(url: str) -> bool:
    try:
        fetch(url)
    except UnreachableImageError:
        return False
    except ImageError:
        pass
    return True


@dataclass(frozen=True)
class WebImage(Source):
    """An image at an address, fetched when it is decoded.

    Attributes:
        web: How it is fetched.
    """

    web: Outages

    def _found(self) -> bytes:
        return self.web.fetch(str(self.content))


@dataclass(frozen=True)
class FileImage(Source):
    """An image in a file, whose system may fail: a share that is gone, a process without descriptors.

    Attributes:
        lenient: Take it then for one that is not there.
    """

    lenient: bool

    def load(self, *, orient: bool = True, least_side: int | None = None) -> Image.Image:
        """As `Source.load`; raises `MissingError` where the file system has failed."""
        with self._judged():
            return super().load(orient=orient, least_side=least_side)

    def read(self) -> bytes:
        """As `Source.read`; raises `MissingError` where the file system has failed."""
        with self._judged():
            return super().read()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except UnreachableImageError as exc:
            if self.lenient:
                raise
            raise MissingError(f"{self.name} cannot be read: {exc.reason}. {_WAY_ON}") from exc

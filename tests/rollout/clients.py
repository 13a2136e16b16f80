"""Clients at work while versions come and go: what each was told, and whether it was right."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.releases import MODEL, Release
from tests.watch import watch
from tritonrepo.client import Classifier, Connection, Options, Result

OPTIONS = Options(top=10, batch_size=2, concurrency=2, workers=1)
TOLERANCE = 2e-3
PAUSE = 0.05
"""Seconds between two pictures of a client."""


@dataclass
class Told:
    """What a client was told.

    Attributes:
        asked: How many pictures it sent.
        results: What came back, in order, and when.
        failure: What ended it before its time.
        refused: Messages of requests that were refused, before the client asked again.
    """

    asked: int = 0
    results: list[tuple[float, Result]] = field(default_factory=list)
    failure: str = ""
    refused: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Pictures without an answer."""
        return self.asked - sum(result.error is None for _, result in self.results)

    def versions(self) -> Counter[int]:
        """How many answers each version gave."""
        return Counter(int(result.version) for _, result in self.results if result.error is None)

    def wrong(self, truth: Mapping[int, Release]) -> list[str]:
        """Answers that are not those of the version that they name."""
        return [
            f"{result.image} by version {result.version}"
            for _, result in self.results
            if result.error is None and not _is_right(result, truth[int(result.version)])
        ]


def _is_right(result: Result, release: Release) -> bool:
    wanted = release.expected(Path(result.image))
    found = {one.label: one.score for one in result.predictions}
    return found.keys() == wanted.keys() and all(
        math.isclose(found[label], wanted[label], abs_tol=TOLERANCE) for label in wanted
    )


class Client(threading.Thread):
    """A classifier that asks the servers of a list until it is ended."""

    def __init__(self, urls: Sequence[str], protocol: str, pictures: Sequence[Path]) -> None:
        super().__init__(name=f"client over {protocol}", daemon=True)
        self.told = Told()
        self._urls, self._protocol, self._pictures = list(urls), protocol, pictures
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            with Classifier(self._urls, MODEL, connection=Connection(self._protocol)) as classifier:
                watch(classifier, self.told.refused)
                for result in classifier.classify(self._feed(), OPTIONS):
                    self.told.results.append((time.monotonic(), result))
        except Exception as error:
            self.told.failure = repr(error)

    def end(self) -> Told:
        """Let the requests in flight come back, and return what was told."""
        self._ended.set()
        self.join()
        return self.told

    def _feed(self) -> Iterator[Path]:
        for picture in itertools.takewhile(lambda _: not self._ended.wait(PAUSE), itertools.cycle(self._pictures)):
            self.told.asked += 1
            yield picture

"""Clients that classify all the time, and check each answer against the version that it names."""

import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kills.publisher import MODEL
from tests.kills.releases import expected
from tests.watch import SWITCH, watch
from tritonrepo.client import Classifier, Connection, Options, Result, TritonRepoError

OPTIONS = Options(top=10, batch_size=2, concurrency=2, workers=1)
PAUSE = 0.05
"""Seconds between two pictures of a client: the writers need the processor too."""
TOLERANCE = 2e-3


@dataclass
class Answers:
    """What a client was told.

    Attributes:
        count: Answers, right or wrong.
        wrong: Those that are not what the version promises that they name.
        errors: Messages where there was no answer.
        versions: Which answered.
        refused: Messages of requests that were refused, before the client asked again.
    """

    count: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    @property
    def at_switch(self) -> int:
        """How often Triton refused a request because it had just given up the version."""
        return len(self.refused) - len(self.otherwise())

    def otherwise(self) -> list[str]:
        """Refusals for any other reason."""
        return [text for text in self.refused if not SWITCH.search(text)]

    def note(self, result: Result) -> None:
        """Count one result."""
        if result.error is not None:
            self.errors.append(result.error)
            return
        self.count += 1
        self.versions.add(int(result.version))
        if not is_right(result):
            self.wrong.append(f"{result.image} by version {result.version}: {result.predictions}")


def is_right(result: Result) -> bool:
    """Whether labels, classes, preprocessing and scores are all those of the version that is named."""
    found = {prediction.label: prediction.score for prediction in result.predictions}
    wanted = expected(int(result.version), Path(result.image))
    return found.keys() == wanted.keys() and all(
        math.isclose(score, wanted[label], abs_tol=TOLERANCE) for label, score in found.items()
    )


class Client(threading.Thread):
    """Classifies from `start` until `end`."""

    def __init__(self, url: str, protocol: str, pictures: Sequence[Path]) -> None:
        super().__init__(name=f"client over {protocol}")
        self.answers = Answers()
        self._url, self._connection, self._pictures = url, Connection(protocol), pictures
        self._ended = threading.Event()

    def run(self) -> None:
        """Go on with a new classifier after one that gave up."""
        while not self._ended.is_set():
            try:
                self._classify()
            except TritonRepoError as error:
                self.answers.errors.append(str(error))

    def end(self) -> Answers:
        """Let the requests in flight come back, and return what was seen."""
        self._ended.set()
        self.join()
        return self.answers

    def _classify(self) -> None:
        with Classifier(self._url, model=MODEL, connection=self._connection) as classifier:
            watch(classifier, self.answers.refused)
            for result in classifier.classify(self._feed(), OPTIONS):
                self.answers.note(result)

    def _feed(self) -> Iterator[Path]:
        return itertools.takewhile(lambda _: not self._ended.wait(PAUSE), itertools.cycle(self._pictures))

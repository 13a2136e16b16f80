"""Clients at work: the command, which goes on only as its output is read, and a long-lived classifier of each kind."""

import asyncio
import fcntl
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.versions.answers import Seen
from tritonrepo.client import AsyncClassifier, Classifier, Connection, Options, Result

OPTIONS = Options(top=10, batch_size=4, concurrency=2, workers=2)
WORDS = ("--format", "json", "--top", "10", "--batch-size", "4", "--concurrency", "2", "--workers", "2")
PIPE = 4096
"""Bytes that the command can write before it has to wait for its reader: a few lines."""
PAUSE = 0.05
"""Seconds between two pictures of a client, which are to last while there are releases."""


class Command:
    """`tritonrepo classify` over pictures."""

    def __init__(self, urls: Sequence[str], protocol: str, pictures: Sequence[Path]) -> None:
        names = [str(picture) for picture in pictures]
        self.seen = Seen(names)
        words = [sys.executable, "-m", "tritonrepo", "classify", *names, "--url", ",".join(urls)]
        self._process = subprocess.Popen(
            [*words, "--protocol", protocol, *WORDS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdout is not None
        fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, PIPE)

    def read(self, count: int | None = None) -> None:
        """Take so many results, or all that are left."""
        assert self._process.stdout is not None
        for line in itertools.islice(self._process.stdout, count):
            time.sleep(PAUSE)
            one = json.loads(line)
            scores = {each["label"]: each["score"] for each in one.get("predictions", ())}
            self.seen.note(one["image"], one.get("version", ""), scores, one.get("error"))

    def end(self) -> Seen:
        """Read the rest, and return all that was seen."""
        self.read()
        _, errors = self._process.communicate()
        if self._process.returncode:
            self.seen.errors.append(f"status {self._process.returncode}: {errors.decode()}")
        return self.seen

    def stop(self) -> None:
        """End the process, if it is still there."""
        self._process.kill()
        self._process.communicate()


class LongLived(threading.Thread):
    """One classifier that works from `start` until `end`."""

    def __init__(self, urls: Sequence[str], protocol: str, pictures: Sequence[Path], *, awaited: bool) -> None:
        super().__init__(name=f"{'AsyncClassifier' if awaited else 'Classifier'} over {protocol}")
        self._asked: list[str] = []
        self.seen = Seen(self._asked)
        self._urls, self._connection, self._pictures, self._awaited = urls, Connection(protocol), pictures, awaited
        self._ended = threading.Event()

    def run(self) -> None:
        """Classify the same pictures again and again."""
        try:
            if self._awaited:
                asyncio.run(self._await_all())
            else:
                with Classifier(list(self._urls), connection=self._connection) as classifier:
                    for result in classifier.classify(self._feed(), OPTIONS):
                        self._note(result)
        except Exception as error:
            self.seen.errors.append(repr(error))

    def end(self) -> Seen:
        """Let the requests in flight come back, and return what was seen."""
        self._ended.set()
        self.join()
        return self.seen

    async def _await_all(self) -> None:
        async with AsyncClassifier(list(self._urls), connection=self._connection) as classifier:
            async for result in classifier.classify(self._feed(), OPTIONS):
                self._note(result)

    def _note(self, result: Result) -> None:
        scores = {one.label: one.score for one in result.predictions}
        self.seen.note(result.image, result.version, scores, result.error)

    def _feed(self) -> Iterator[Path]:
        for picture in itertools.takewhile(lambda _: not self._ended.wait(PAUSE), itertools.cycle(self._pictures)):
            self._asked.append(str(picture))
            yield picture

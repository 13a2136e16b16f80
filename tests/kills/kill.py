"""Kill writers at random moments while a server polls their repository, and see what is left."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

import psutil

from tests.kills.publisher import MODEL
from tests.kills.releases import prepare
from tritonrepo.repository.staging import SCRATCH
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.serve.triton import TritonServer

COMMAND_MODEL = "tiny_torchscript"
FACTORIES = ("other_weights", "tiny")
LOAD_SECONDS = 60.0
END_SECONDS = 10.0
"""All processes of a killed command end with it."""
CALM = 2
"""Publishes that are let through at first; the last tells how long one takes."""
FAILED_LOAD = re.compile(r"^.*(?:failed to load|Poll failed|failed to poll).*$", re.MULTILINE)
LOADED = re.compile(r"TRITONBACKEND_ModelInstanceInitialize: ")
"""Triton also says that it loads what it has when a version comes or goes beside that; it then makes no instance."""


@dataclass
class Kills:
    """What was done to the writers, and what the server made of it.

    Attributes:
        before: Writers that were killed after they began and before their version was live.
        after: Killed when their version was live, and their own rubbish still there.
        late: Killed when they had done all.
        commands: Whole commands among the killed.
        published: Versions that went live, of both models.
        unloaded: Versions that the server did not load in time.
        faults: Writers that ended by themselves and badly.
        left: Processes that outlived a killed command.
    """

    before: int = 0
    after: int = 0
    late: int = 0
    commands: int = 0
    published: int = 0
    unloaded: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """All kills."""
        return self.before + self.after + self.late


class Publisher:
    """`tests.kills.publisher`, which has a process publish when it is told."""

    def __init__(self, models: Path | Address, prepared: Path) -> None:
        words = [sys.executable, "-m", "tests.kills.publisher", str(models), str(prepared)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self) -> int:
        """The process of a publish that has just begun."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        word, pid = self._read().split()
        assert word == "begin"
        return int(pid)

    def await_end(self) -> tuple[bool, int]:
        """Whether it did all of its work, and its exit status."""
        line = self._read()
        ended = line == "end"
        if ended:
            line = self._read()
        return ended, int(line.removeprefix("status "))

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().rstrip()
        assert line, "the publisher ended"
        return line


class Killer:
    """Starts writers of one repository and kills them."""

    def __init__(self, server: TritonServer, models: Path | Address, place: Path, seed: int) -> None:
        """Publish undisturbed first, to learn how long that takes.

        Args:
            server: Polls the repository.
            models: The repository.
            place: Holds what is prepared for it.
            seed: Of the moments.
        """
        self.kills = Kills()
        self._server, self._models, self._prepared = server, models, place / "prepared"
        self._publisher = Publisher(self._models, self._prepared)
        self._moments = random.Random(seed)
        self._place = place
        self._known: dict[str, int] = {}
        cache = str(place / "cache")  # torch's own, which is meant to stay
        self._environment = {**os.environ, "TMPDIR": str(place / "temporary"), "TORCHINDUCTOR_CACHE_DIR": cache}
        self._seconds = [self._calm_publish() for _ in range(CALM)][-1]
        self._command_seconds = 0.0

    def kill_publish(self) -> None:
        """Kill one publish at a random moment between its beginning and a little after its end."""
        moment = self._moments.uniform(0, 1.1 * self._seconds)
        before = self._settled(MODEL)
        pid = self._begin_publish()
        time.sleep(moment)  # the moment of the kill, not a wait for anything
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        ended, status = self._publisher.await_end()
        if status not in (0, -signal.SIGKILL):
            self.kills.faults.append(f"a publish ended with status {status}")
        self._note(MODEL, before, ended)

    def kill_command(self) -> None:
        """Kill one `tritonrepo export`: in turns anywhere in its run, and while it writes."""
        if not self._command_seconds:
            self._command_seconds = self._calm_command()
        number, before = self.kills.commands, self._settled(COMMAND_MODEL)
        with self._command(number) as process:
            if number % 2:
                self._await_writing(process)
                time.sleep(self._moments.uniform(0, self._seconds))
            else:
                time.sleep(self._moments.uniform(0, self._command_seconds))
            ended = process.poll() is not None
            others = [] if ended else psutil.Process(process.pid).children(recursive=True)
            process.kill()
        if ended and process.returncode:
            self.kills.faults.append(f"an export ended with status {process.returncode}")
        _, alive = psutil.wait_procs(others, timeout=END_SECONDS)
        self.kills.left += map(str, alive)
        self.kills.commands += 1
        self._note(COMMAND_MODEL, before, ended)

    def finish(self) -> None:
        """Publish once more, undisturbed: this clears what the killed left."""
        self._calm_publish()
        self._publisher.close()

    def _note(self, model: str, before: int, ended: bool) -> None:
        if ended:
            self.kills.late += 1
        elif self._served(model) > before:
            self.kills.after += 1
        else:
            self.kills.before += 1
        self._see_loaded(model, before)

    def _see_loaded(self, model: str, before: int) -> None:
        """Wait until the server has taken the version that is new, if there is one."""
        served = self._known[model] = self._served(model)
        self.kills.published += served > before
        deadline = time.monotonic() + LOAD_SECONDS
        while served > before and not self._server.is_ready(model, str(served)):
            if time.monotonic() > deadline:
                self.kills.unloaded.append(f"{model} version {served}")
                return
            time.sleep(0.05)

    def _settled(self, model: str) -> int:
        """What is served now, with what a killed writer had sent and a store did only after the last look."""
        served = self._served(model)
        known = self._known.setdefault(model, served)
        self._see_loaded(model, known)
        return served

    def _served(self, model: str) -> int:
        return read_state(open_store(self._models), model).current

    def _calm_publish(self) -> float:
        """Seconds from `begin` to `end`."""
        before = self._settled(MODEL)
        self._begin_publish()
        start = time.monotonic()
        assert self._publisher.await_end() == (True, 0)
        seconds = time.monotonic() - start
        assert self._served(MODEL) > before
        self._see_loaded(MODEL, before)
        return seconds

    def _begin_publish(self) -> int:
        """The process of a publish that has just begun; it begins at a random phase of the server's poll.

        What a killed one added keeps its number, so the next is not always the one after that which is served.
        """
        prepare(self._prepared, read_state(open_store(self._models), MODEL).following)
        time.sleep(self._moments.uniform(0, 1))
        return self._publisher.begin()

    def _calm_command(self) -> float:
        start, before = time.monotonic(), self._settled(COMMAND_MODEL)
        with self._command(1) as process:
            assert process.wait() == 0
        seconds = time.monotonic() - start
        self._see_loaded(COMMAND_MODEL, before)
        return seconds

    def _command(self, number: int) -> subprocess.Popen[bytes]:
        factory = f"tests/factories.py:{FACTORIES[number % 2]}"
        words = ["--model", factory, "--formats", "torchscript", "--max-batch-size", "2"]
        words += ["--repository", str(self._models)]
        command = [sys.executable, "-m", "tritonrepo", "export", *words]
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=self._environment)

    def _await_writing(self, process: subprocess.Popen[bytes]) -> None:
        staging = f".{self._models.name}.staging" if isinstance(self._models, Path) else f"temporary/{SCRATCH}*"
        while process.poll() is None and not is_writing(f"{self._place}/{staging}", COMMAND_MODEL):
            time.sleep(0.0005)


def is_writing(staging: str, model: str) -> bool:
    """Whether an export has a version ready in its staging directory, given as a pattern."""
    return bool(glob(f"{staging}/*-{model}/[1-9]*"))  # noqa: PTH207 - Path.glob fails where a directory goes meanwhile


def failed_loads(log: str) -> list[str]:
    """The lines of a server's log that tell of a model or a repository that could not be loaded."""
    return FAILED_LOAD.findall(log)


def loads(log: str) -> int:
    """How often a server says that it loaded something."""
    return len(LOADED.findall(log))


def strangers(place: Path, known: Sequence[str]) -> list[str]:
    """What lies beside the repository, or in the writers' temporary directory, and should not."""
    beside = [path for path in place.iterdir() if path.name not in known]
    # What a killed export to a store left there is removed by the next one, when it is some seconds old.
    temporary = [path for path in (place / "temporary").iterdir() if not path.name.startswith(SCRATCH)]
    return sorted(str(path.relative_to(place)) for path in [*beside, *temporary])

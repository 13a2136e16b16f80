"""What a polling server does with its models as it happens, from its log."""

import re
from collections.abc import Callable, Iterable

from tritonrepo.serve.models import READY, ModelStatus, tidy_reason

LOADING = re.compile(r"\"loading: (.+):(\d+)\"$")
MADE = re.compile(r"TRITONBACKEND_ModelInstanceInitialize: (.+)_\d+_\d+ \(")
LOADED = re.compile(r"\"successfully loaded '(.+)'\"$")
UNLOADED = re.compile(r"\"successfully unloaded '(.+)' version (\d+)\"$")
REFUSED = re.compile(r"\"failed to load '(.+)' version (\d+): (.*)\"$")
FAILED = re.compile(r"\"failed to load '(.+)'\"$")
UNREADABLE = re.compile(r"\"Poll failed for model directory '(.+?)': (.*)\"$")


class Changes:
    """Reads the log of a server line by line, and says what has changed.

    Triton tries again at each poll what it could not load; a refusal is told once.
    """

    def __init__(self, statuses: Iterable[ModelStatus], is_ready: Callable[[str, str], bool]) -> None:
        """Begin with what is known.

        Args:
            statuses: The models as the server has reported them.
            is_ready: Asks the server about a model version. The log tells that a version was unloaded, and not
                whether another copy of it is there.
        """
        self._served: dict[str, set[int]] = {}
        self._loading: dict[str, set[int]] = {}
        self._refusals: dict[str, str] = {}
        self._made: set[str] = set()
        self._is_ready = is_ready
        for status in statuses:
            if status.state == READY:
                self._served.setdefault(status.name, set()).add(int(status.version))
            elif status.version and status.reason:
                self._refusals[status.name] = refusal(status.version, status.reason)

    def read(self, line: str) -> str:
        """Return a sentence on what a line of the log has changed; empty if nothing."""
        if found := LOADING.search(line):
            self._loading.setdefault(found[1], set()).add(int(found[2]))
        elif found := MADE.search(line):
            self._made.add(found[1])
        elif found := LOADED.search(line):
            return self._load(found[1])
        elif found := UNLOADED.search(line):
            return self._unload(found[1], int(found[2]))
        elif found := REFUSED.search(line):
            return self._refuse(found[1], refusal(found[2], found[3]))
        elif found := UNREADABLE.search(line):
            return self._refuse(found[1], f"cannot be read: {first_line(found[2])}")
        elif found := FAILED.search(line):
            self._loading.pop(found[1], None)
        return ""

    def _load(self, name: str) -> str:
        now, before = self._loading.pop(name, set()), self._served.get(name, set())
        anew = name in self._made
        self._made.discard(name)
        self._served[name] = now
        self._refusals.pop(name, None)
        fresh, retired, kept = now - before, before - now, now & before
        if fresh and retired:
            return f"{name}: {versions(fresh)} took over from {numbers(retired)}"
        if fresh:
            return f"{name}: {versions(fresh)} ready" + (f", beside {numbers(kept)}" if kept else "")
        if retired:
            return f"{name}: {versions(retired)} given up{self._rest(name)}"
        # Triton says that it loads what it has when a version comes or goes beside that, and makes no instance.
        return f"{name}: {versions(now)} loaded again" if anew else ""

    def _unload(self, name: str, version: int) -> str:
        if version not in self._served.get(name, ()) or self._is_ready(name, str(version)):
            return ""
        self._served[name].remove(version)
        return f"{name}: version {version} gone{self._rest(name)}"

    def _refuse(self, name: str, words: str) -> str:
        if self._refusals.get(name) == words:
            return ""
        self._refusals[name] = words
        return f"{name}: {words}{self._rest(name)}"

    def _rest(self, name: str) -> str:
        served = self._served.get(name)
        return f"; {versions(served)} still served" if served else ""


def versions(found: Iterable[int]) -> str:
    """Return `version 2` or `versions 2, 3`."""
    listed = numbers(found)
    return f"versions {listed}" if "," in listed else f"version {listed}"


def numbers(found: Iterable[int]) -> str:
    """Return numbers in order, separated by commas."""
    return ", ".join(map(str, sorted(found)))


def refusal(version: str, reason: str) -> str:
    """Return words for a version that could not be loaded."""
    return f"version {version} cannot be served: {first_line(reason)}"


def first_line(reason: str) -> str:
    """Return the first line of a reason, whose line ends the log escapes, without what is for programmers."""
    return tidy_reason(reason.replace(r"\n", "\n")).partition("\n")[0]

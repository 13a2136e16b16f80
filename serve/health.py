"""What is known of the health of a server's models: a state machine, without a clock, a server or a thread."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FIRST_DELAY = 1.0
LONGEST_DELAY = 8.0
CALM = 60.0
"""Seconds of health after which a model's earlier faults count no more."""
UNKNOWN = "was not asked yet"
ENDED = "its process ended"
LOST = "could not be loaded when the server was started again"


@dataclass
class ModelHealth:
    """One model.

    Attributes:
        versions: Those that the server calls ready.
        next_look: When it is to be asked.
        busy: Whether somebody is at it.
        answered: When it last answered; None if it never did.
        fault: Why it does not answer; empty if it does.
        faults: Faults, and failures to mend them, without a long calm between them.
        all_faults: The same, ever.
        recovered: When it last recovered.
        recoveries: How often it did.
    """

    versions: tuple[str, ...]
    next_look: float
    busy: bool = False
    answered: float | None = None
    fault: str = ""
    faults: int = 0
    all_faults: int = 0
    recovered: float = 0.0
    recoveries: int = 0


class Health:
    """The health of the models. Times are seconds of one clock.

    Attributes:
        models: What is known of each.
    """

    def __init__(self, interval: float, lately: float) -> None:
        """Know of no model.

        Args:
            interval: Seconds between two looks at a model.
            lately: Seconds for which an answer holds.
        """
        self.models: dict[str, ModelHealth] = {}
        self._lost: set[str] = set()
        self._interval, self._lately = interval, lately

    def expect(self, ready: Mapping[str, Iterable[str]], repository: Iterable[str], now: float) -> list[str]:
        """Take what the server calls ready. A model with a fault stays known as long as the repository has it.

        Returns:
            Those that the server before this one had and this one has not. They have a fault now.
        """
        kept = set(repository)
        lost = sorted((self._lost & kept) - ready.keys())
        for name in lost:
            self._count(self.models[name], LOST)
        self._lost.clear()
        for name in [name for name in self.models if name not in ready]:
            known = self.models[name]
            if not known.busy and not (known.fault and name in kept):
                del self.models[name]
        for name, versions in ready.items():
            self.models.setdefault(name, ModelHealth((), now)).versions = tuple(versions)
        return lost

    def restart(self, now: float) -> None:
        """Begin anew with another server: nothing has answered there yet."""
        self._lost = set(self.models)
        for known in self.models.values():
            known.answered, known.fault, known.busy, known.next_look = None, "", False, now

    def take_due(self, now: float) -> list[str]:
        """Return the models to be asked now; each is busy until `answered` or `failed`."""
        due = [name for name, known in self.models.items() if not known.busy and known.next_look <= now]
        for name in due:
            self.models[name].busy = True
        return due

    def hurry(self, name: str, now: float) -> None:
        """Let a model be asked at once, unless it fails again and again."""
        known = self.models.get(name)
        if known and not known.fault:
            known.next_look = now

    def answered(self, name: str, now: float) -> bool:
        """Note an answer; whether the model has recovered by it."""
        known = self.models.get(name)
        if known is None:
            return False
        recovered = bool(known.fault)
        known.answered, known.fault, known.busy, known.next_look = now, "", False, now + self._interval
        if recovered:
            known.recoveries += 1
            known.recovered = now
        elif now - known.recovered > CALM:
            known.faults = 0
        return recovered

    def unheard(self, name: str, now: float) -> None:
        """Note that a model could not be asked, for which it can do nothing: it is asked again soon."""
        if known := self.models.get(name):
            known.busy, known.next_look = False, now + FIRST_DELAY

    def suffers(self, name: str, fault: str, now: float) -> bool:
        """Note a fault; whether it is to be mended now. The faults of a model that has many have to wait."""
        known = self.models.get(name)
        if known is None:
            return False
        self._count(known, fault)
        if known.faults == 1:
            return True
        self._put_off(known, now)
        return False

    def failed(self, name: str, fault: str, now: float) -> None:
        """Note that a fault could not be mended: the next try is later each time."""
        if known := self.models.get(name):
            self._count(known, fault)
            self._put_off(known, now)

    def _count(self, known: ModelHealth, fault: str) -> None:
        known.fault, known.faults, known.all_faults = fault, known.faults + 1, known.all_faults + 1

    def _put_off(self, known: ModelHealth, now: float) -> None:
        known.busy = False
        known.next_look = now + min(FIRST_DELAY * 2.0 ** (known.faults - 2), LONGEST_DELAY)

    def missing(self, now: float) -> dict[str, str]:
        """Return the models that have not answered lately, and why."""
        return {name: why for name, known in sorted(self.models.items()) if (why := self._complaint(known, now))}

    def _complaint(self, known: ModelHealth, now: float) -> str:
        if known.fault or known.answered is None:
            return known.fault or UNKNOWN
        silent = now - known.answered
        return f"has not answered for {silent:.0f} s" if silent > self._lately else ""

"""What a search found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tritonrepo.client.errors import TritonRepoError
from tritonrepo.compare.cells import Cell
from tritonrepo.compare.choice import front
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.verdict import Verdict


@dataclass(frozen=True)
class Tuned:
    """The end of a search.

    Attributes:
        present: What answers now where a client names no format.
        own: How the challenger's own model stands; the same as `present` but for another format.
        challenger: The best candidate of the search.
        verdict: The challenger against what is there, in the final.
        cells: What each candidate was last measured at; those of the final for the two or three that were in it.
        lost: The candidates that cannot be taken -> why.
        left_out: The formats that cannot be tuned -> why.
        seconds: How long all of it took, the server's start and the loads included.
        version: The version that was written; None: nothing was changed.
    """

    present: Arm
    own: Arm
    challenger: Arm
    verdict: Verdict
    cells: Mapping[Arm, Cell]
    lost: Mapping[Arm, str]
    left_out: Mapping[str, str]
    seconds: float = 0.0
    version: int | None = None

    @property
    def front(self) -> tuple[Arm, ...]:
        """The candidates that no other beats in both throughput and p95, by ascending latency."""
        arms = {id(cell): arm for arm, cell in self.cells.items()}
        return tuple(arms[id(cell)] for cell in front(self.cells.values()))

    @property
    def shown(self) -> Sequence[Arm]:
        """The front, and those of the final, by ascending latency."""
        wanted = {*self.front, self.present, self.own, self.challenger}
        return sorted(wanted, key=lambda arm: self.cells[arm].percentile(95).mean)


class UnwrittenError(TritonRepoError):
    """The search found something better, and it could not be written.

    Attributes:
        tuned: What it found.
    """

    def __init__(self, reason: TritonRepoError, tuned: Tuned) -> None:
        super().__init__(f"{tuned.challenger} is better, and was not written: {reason}")
        self.exit_status = reason.exit_status
        self.tuned = tuned

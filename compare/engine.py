"""What drives the load, behind one seam."""

from __future__ import annotations

from typing import Protocol

from tritonrepo.compare.cells import Setting, Window


class Engine(Protocol):
    """A load generator.

    Attributes:
        name: `python` or `perf_analyzer`.
        version: Of what it drives the load with.
    """

    name: str
    version: str

    def warm_up(self, setting: Setting, seconds: float, stability: float) -> float:
        """Run under the load until windows of `seconds` are stable, or for long enough.

        Returns:
            The average latency in ms.

        Raises:
            TritonRepoError: No request was answered.
        """

    def window(self, setting: Setting, seconds: float) -> Window:
        """Measure one window; one without an answer has only failures.

        Raises:
            TritonRepoError: It cannot even be tried.
        """

    def close(self) -> None:
        """Remove what it keeps on the disk."""

"""What a person sees of an export: the steps as they go, and the table of what became of each format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # torch is not needed to show a table, nor for --help
    from tritonrepo.export.outcome import Build, Outcome
    from tritonrepo.repository.manifest import Verification
    from tritonrepo.repository.publish import Publication

UNTRAINED = (
    "The weights are untrained: the network computes, and as fast as the real one, but its labels mean nothing. "
    "For production, export with --weights ngc or --weights PATH."
)


_MEASURES = {
    "logits": "logits",
    "log-probabilities": "log-probabilities",
    "probabilities": "the logarithms of probabilities",
    "independent": "log-odds",
}
"""What is compared, for each kind of scores."""


class Steps:
    """On a terminal a line that spins and a bar for downloads; elsewhere one line a step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def notice(self, sentence: str) -> None:
        """Show a sentence."""
        self._console.print(sentence, style="yellow", soft_wrap=True)

    def begin(self, description: str) -> None:
        """Show which step begins."""
        if self._console.is_terminal:
            self._progress.reset(self._task, description=description, total=None)
        else:
            self._console.print(f"- {description}", soft_wrap=True)

    def download(self, done: int, total: int | None) -> None:
        """Show how far a download is, in bytes."""
        self._progress.update(self._task, completed=done, total=total)


def table(build: Build) -> Table:
    """One row a format: status, size, worst difference to PyTorch in logits, top-1 agreement, seconds."""
    result = Table(
        title=f"{build.spec.name}, weights: {build.weights.source}",
        caption=_tolerance(build),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    result.add_column("format", no_wrap=True)
    result.add_column("status", min_width=14, overflow="fold")
    for heading in ("size", "worst difference", "top-1 agreement", "seconds"):
        result.add_column(heading, justify="right")
    for outcome in build.outcomes:
        result.add_row(outcome.format.name, _status(outcome), *_figures(outcome), f"{outcome.seconds:.1f}")
    for name, publication in build.encoded.items():
        result.add_row(name, _published(publication), "-", "-", "-", "-")
    return result


def after_words(build: Build) -> Iterator[str]:
    """What of each contract has changed, and how what was staged is released."""
    found = {f"{build.spec.name}_{one.format.name}": one.publication for one in build.outcomes if one.publication}
    for model, publication in found.items():
        if publication.changes:
            changes = "; ".join(publication.changes)
            yield f"{model} v{publication.version} differs from the version before: {changes}"
        if publication.left:
            numbers = ", ".join(map(str, publication.left))
            yield f"{model}: version {numbers} could not be removed; the next export tries again"
        if publication.status == "staged":
            words = f"{model} --version {publication.version} --server HOST:PORT"
            yield f"{model}: not served yet; release it: tritonrepo release {words}"
    if any(publication.status == "published" and publication.version > 1 for publication in found.values()):
        yield f"a server that does not poll takes it by: tritonrepo release {build.spec.name} --server HOST:PORT"


def _tolerance(build: Build) -> str | None:
    """The tolerances in words, with what the differences are of, and what was proved in FP16."""
    found = [outcome.verification for outcome in build.outcomes if outcome.verification is not None]
    if not found:
        return None
    limits = sorted({f"{one.tolerance:.1e}" for one in found if one.rounded is None})
    tolerance = f"; tolerance {', '.join(limits)}" if limits else ""
    lines = [f"differences are of {_MEASURES[found[0].scores]}{tolerance}", *_roundings(found)]
    lines += [
        f"{half.runtime}: {half.images} pictures, worst difference {half.worst_absolute:.1e}"
        for half in (verification.eager_fp16 for verification in found)
        if half is not None
    ]
    return "\n".join(lines)


def _roundings(found: Sequence[Verification]) -> Iterator[str]:
    """What INT8 costs, and where it was left out."""
    for one in found:
        if one.rounded is not None:
            kept = len(one.rounded.kept)
            yield (
                f"INT8: {one.rounded.layers - kept} of {one.rounded.layers} layers; on {one.images} pictures of unseen "
                f"photographs KL divergence {one.rounded.divergence:.2g}, a probability off by "
                f"{one.worst_probability:.2g} at most"
            )


def _status(outcome: Outcome) -> str | Text:
    if outcome.failed:
        return Text("refused", style="red")
    if outcome.error is not None:
        return Text(str(outcome.error), style="yellow")
    if outcome.publication is None:
        return "verified, not published"
    return _published(outcome.publication)


def _published(publication: Publication) -> str:
    pruned = ", ".join(map(str, publication.pruned))
    return f"{publication.status} v{publication.version}" + (f", pruned v{pruned}" if pruned else "")


def _figures(outcome: Outcome) -> tuple[str, str, str]:
    size = "-" if outcome.size is None else decimal(outcome.size)
    found = outcome.verification
    if found is None:
        return size, "-", "-"
    return size, f"{found.worst_absolute:.1e}", f"{found.top1_agreement:.1%}"

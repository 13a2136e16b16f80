"""Results for people: a block for each image, with a bar for each prediction."""

from __future__ import annotations

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tritonrepo.client.decode import Prediction
from tritonrepo.client.results import Result
from tritonrepo.client.text import printable

_LABEL_WIDTH = 40
_BAR_WIDTH = 30


def as_table(result: Result) -> RenderableType:
    """One image's block: its name, then a line with a bar for each prediction."""
    name = Text(printable(result.image), style="bold", overflow="fold")
    if result.multi_label:
        name.append("  each class by itself", style="not bold dim")
    if result.error is not None:
        return Group(name, Text(f"  error: {printable(result.error)}", style="red", overflow="fold"))
    if not result.predictions:
        return Group(name, Text("  no class reaches the threshold", style="dim"))
    lines = Table.grid(padding=(0, 1))
    lines.add_column(width=4, justify="right")
    lines.add_column(width=_LABEL_WIDTH, no_wrap=True, overflow="ellipsis")
    lines.add_column(width=8, justify="right")
    lines.add_column(width=_BAR_WIDTH)
    for rank, prediction in enumerate(result.predictions, 1):
        lines.add_row(Text(str(rank), style="dim"), Text(printable(prediction.label)), *_value(prediction, rank))
    return Group(name, lines)


def _value(prediction: Prediction, rank: int) -> tuple[RenderableType, RenderableType]:
    if prediction.probability is None:
        return f"{prediction.score:.4g}", ""
    bar = Bar(1.0, 0.0, prediction.probability, color="green" if rank == 1 else "blue")
    return f"{prediction.probability:.2%}", bar

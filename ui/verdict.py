"""Whether the models name the same first class for a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from tritonrepo.client.text import same_name
from tritonrepo.ui.panel import Opinion


def dissent(opinions: Sequence[Opinion]) -> frozenset[str]:
    """The models whose first class is another than that of most; where there is no most, than the first model's.

    Models with the same labels are compared by the class's index, since two classes may share a label; others by the
    label. Where there are as many for one class as for another, trained models decide.
    """
    told = sorted((one for one in opinions if one.result.predictions), key=lambda one: not one.trained)
    if not told:
        return frozenset()
    same_labels = len({tuple(one.labels) for one in told}) == 1
    firsts = {one.result.model: _first(one, same_labels) for one in told}
    ((most, _),) = Counter(firsts.values()).most_common(1)
    return frozenset(name for name, first in firsts.items() if first != most)


def _first(opinion: Opinion, same_labels: bool) -> Hashable:
    best = opinion.result.predictions[0]
    return best.index if same_labels else same_name(best.label)


def sentence(opinions: Sequence[Opinion]) -> str:
    """What stands below the picture once all have answered."""
    told = [one for one in opinions if one.result.predictions]
    if not told:
        return "no model has answered"
    differing = len(dissent(told))
    if len(told) == 1:
        return "one model has answered"
    if differing:
        return f"{differing} of {len(told)} models {'names' if differing == 1 else 'name'} another first class"
    return f"all {len(told)} models name the same first class"

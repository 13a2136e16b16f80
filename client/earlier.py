"""The outcomes of an earlier evaluation, held against the data set and the server of today."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tritonrepo.client.basis import Basis
from tritonrepo.client.datasets import Example
from tritonrepo.client.errors import UsageError
from tritonrepo.client.evaluate import Outcome
from tritonrepo.client.result_file import EarlierReleaseError, Record, numbered, whole_lines
from tritonrepo.client.resume import Present


def read_outcomes(path: Path) -> dict[Record, Outcome]:
    """The outcomes that an earlier run left, by their records; nothing, where there is no file.

    Raises:
        UsageError: The file cannot be read, or is another program's or an earlier release's.
    """
    found = {}
    try:
        for line, span in numbered(whole_lines(path)):
            one = Outcome(**json.loads(line))
            if one.basis is None:
                raise EarlierReleaseError
            basis = Basis.parse(one.basis)
            record = Record(one.image, one.model, one.version, one.error is not None, basis, span)
            found[record] = replace(one, best=tuple(one.best))
    except EarlierReleaseError as exc:
        raise exc.of(path) from exc
    except TypeError as exc:
        raise UsageError(f"{path} was not written by `evaluate --resume`: its lines are no outcomes") from exc
    except (ValueError, AttributeError, RecursionError) as exc:
        raise UsageError(f"{path} was not written by `evaluate --resume`: {exc}") from exc
    return found


@dataclass(frozen=True)
class Settled:
    """What of an earlier run's outcomes is good for this one.

    Attributes:
        kept: Those that hold, with the truth of today.
        again: Those that do not, and why.
        strange: How many are of pictures that are not in the data set.
    """

    kept: list[Outcome]
    again: dict[Record, str]
    strange: int


def settle(path: Path, earlier: Mapping[Record, Outcome], chosen: Iterable[Example], present: Present) -> Settled:
    """Hold an earlier run's outcomes of one model against the data set and the server of today.

    Raises:
        UsageError: They were made with other options, or by another contract.
    """
    waiting: dict[str, list[Record]] = {}
    for record in earlier:
        if record.model == present.model:
            waiting.setdefault(record.image, []).append(record)
    settled = Settled([], {}, 0)
    for example in chosen if waiting else ():
        if not waiting.get(example.name):
            continue
        record = waiting[example.name].pop(0)
        why = present.why_again(path, record, example.source.identity())
        if not why and record.version not in ("", present.version):
            why = f"by another version of the model than {present.version}"  # A figure is one version's.
        if why:
            settled.again[record] = why
        else:
            settled.kept.append(earlier[record].under(example.truth))
    return replace(settled, strange=sum(map(len, waiting.values())))

"""Modules of the zoo through the gate, as an export takes them through, up to where it would publish."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tritonrepo.client.errors import TritonRepoError
from tritonrepo.export import Options, Serving, Watcher, steps, subject
from tritonrepo.export.gate.fresh import FreshProcess
from tritonrepo.repository.formats import ONNX, TORCHSCRIPT
from tritonrepo.repository.publish import open_repository

FORMATS = (TORCHSCRIPT, ONNX)
MAX_BATCH_SIZE = 32


@dataclass(frozen=True)
class Examined:
    """What became of one module.

    Attributes:
        name: Of the factory.
        refusals: Why each format was refused, by its name; "module" for a reason that concerns the module itself.
        seconds: What each format took, conversion and verification, by its name; "module" for what came before.
        scores: What the module's scores are.
        notices: What was said on the way.
    """

    name: str
    refusals: dict[str, str]
    seconds: dict[str, float]
    scores: str | None = None
    notices: tuple[str, ...] = ()


def examine(factories: Sequence[str], root: Path) -> list[Examined]:
    """The factories, as in FILE:NAME, one after another; runs in a process of its own."""
    torch.set_num_threads(1)
    with open_repository(root / "models") as repository, FreshProcess([format.name for format in FORMATS]) as process:
        found = []
        for factory in factories:
            notices, name = list[str](), factory.rpartition(":")[2]
            options = Options(factory, None, FORMATS, root / "models", Serving(MAX_BATCH_SIZE))
            started = time.perf_counter()
            try:
                made = subject.prepare(options, repository, Watcher(notices.append))
            except TritonRepoError as exc:
                seconds = {"module": time.perf_counter() - started}
                found.append(Examined(name, {"module": str(exc)}, seconds, notices=tuple(notices)))
                continue
            before = time.perf_counter() - started
            outcomes = [outcome for outcome, _ in steps.make(made, options, repository, process, Watcher())]
            refusals = {one.format.name: str(one.error) for one in outcomes if one.error is not None}
            seconds = {"module": before, **{one.format.name: one.seconds for one in outcomes}}
            found.append(Examined(name, refusals, seconds, made.spec.scores, tuple(notices)))
        return found

"""The gate of preprocessing over all that timm, torchvision and transformers do by default to classify pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import timm
import torchvision
import transformers
from timm.data import resolve_data_config
from torchvision.models import get_model_weights, list_models
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from tests.sources.loading import gate
from tritonrepo.client.errors import ContractError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.sources import of_timm, of_torchvision, of_transformers
from tritonrepo.export.sources.loaded import Transform

Said: TypeAlias = tuple[Transform, Preprocessing]


@dataclass(frozen=True)
class Trial:
    """What became of one preprocessing.

    Attributes:
        library: Whose it is.
        networks: Those that have it, by name.
        difference: Between the contract and the library's own; 0 where it is refused.
        refused: Why; empty where it is not.
    """

    library: str
    networks: tuple[str, ...]
    difference: float = 0.0
    refused: str = ""


def trials(few: bool, libraries: Iterable[str]) -> Iterator[Trial]:
    """Try each; `few`: on six odd pictures instead of all and photographs."""
    for library in libraries:
        configured, say = LIBRARIES[library]
        for networks, own in grouped(configured()):
            try:
                yield Trial(library, networks, gate(say(own), few))
            except (ContractError, VerificationError) as exc:
                yield Trial(library, networks, refused=str(exc))


def grouped(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The names of networks with what they have in common."""
    groups: dict[str, tuple[list[str], Any]] = {}
    for name, own in named:
        groups.setdefault(repr(own), ([], own))[0].append(name)
    for names, own in groups.values():
        yield tuple(names), own


def in_timm() -> Iterator[tuple[str, Any]]:
    """Each pretrained configuration's way of preparing images."""
    for name in timm.list_pretrained():
        yield name, resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())


def in_torchvision() -> Iterator[tuple[str, Any]]:
    """The transforms of each set of weights of a classifier."""
    for name in list_models(module=torchvision.models):
        for weights in get_model_weights(name):
            yield f"{name}:{weights.name}", weights.transforms()


def in_transformers() -> Iterator[tuple[str, Any]]:
    """Each kind of classifier with the name of its image processor, on pictures where there is one."""
    for kind in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        if backends := IMAGE_PROCESSOR_MAPPING_NAMES.get(kind):  # some have that of their directory alone
            yield kind, backends.get("pil") or backends["torchvision"]


def of_processor(name: str) -> Said:
    """That of an image processor as it comes without a configuration."""
    needed: dict[str, Any] = {"pretrained_cfg": {"num_classes": 2}} if name == of_transformers.OF_TIMM else {}
    own: Any = getattr(transformers, name)(**needed)
    preprocessing = of_transformers.describe(own, 3)
    return of_transformers._transform(own, own, "RGB"), preprocessing


LIBRARIES: dict[str, tuple[Callable[[], Iterator[tuple[str, Any]]], Callable[[Any], Said]]] = {
    "timm": (in_timm, lambda own: (of_timm._transform(own), of_timm.describe(own))),
    "torchvision": (in_torchvision, lambda own: (of_torchvision._transform(own), of_torchvision.describe(own))),
    "transformers": (in_transformers, of_processor),
}


def table(done: Iterable[Trial]) -> str:
    """Of Markdown: a line for each library, then a sentence for each refusal."""
    found = list(done)
    lines = ["| library | networks | preprocessings | accepted | refused | largest difference |"]
    lines += ["| --- | --: | --: | --: | --: | --: |"]
    for library in dict.fromkeys(trial.library for trial in found):
        ours = [trial for trial in found if trial.library == library]
        accepted = [trial.difference for trial in ours if not trial.refused]
        networks = sum(len(trial.networks) for trial in ours)
        counts = f"{networks} | {len(ours)} | {len(accepted)} | {len(ours) - len(accepted)}"
        lines.append(f"| {library} | {counts} | {max(accepted, default=0):.1g} |")
    refused = [f"- {trial.library}, {', '.join(trial.networks)}: {trial.refused}" for trial in found if trial.refused]
    return "\n".join([*lines, "", *refused])

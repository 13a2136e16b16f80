"""Prepared images -> predictions, each under the contract of the version that is asked by its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import Prediction, Scores, check, parse_classification, top
from tritonrepo.client.errors import (
    ContractError,
    FileRefusedError,
    ImageError,
    ModelUnavailableError,
    RequestError,
    VersionGoneError,
)
from tritonrepo.client.images import to_rgb
from tritonrepo.client.options import Options
from tritonrepo.client.preprocess import preprocess
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Answer, Inference, Transport
from tritonrepo.client.versions import GONE, LOOKS, Held, Versions, pause


@dataclass(frozen=True)
class Predicted:
    """What the model said of one image.

    Attributes:
        version: Of the model; empty where it was not asked.
        predictions: Best first; empty when `error` says why there are none.
        error: What is wrong with the answer.
        digest: Of what it depends on beside the image, where that is kept.
        scores: Of which kind the version's scores are.
    """

    version: str = ""
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    digest: str = ""
    scores: Scores = "logits"


MOST_BYTES = 32 << 20
"""Of several image files in one request; gateways limit bodies, and gRPC messages end at 2 GB."""


def prepare(source: Source, contract: ModelContract, options: Options, out: NDArray[Any]) -> Image.Image | None:
    """Write an image into `out` as the model wants it: decoded and prepared, or its file as it is.

    Returns:
        The picture, RGB; None where it was not decoded.

    Raises:
        ImageError: It cannot be used.
    """
    if contract.encoded:
        out[0] = source.read()
        return None
    least_side = contract.preprocessing.least_side if options.decode == "fast" else None
    image = to_rgb(source.load(orient=options.orient, least_side=least_side))
    preprocess(image, contract.preprocessing, out)
    return image


class Asker:
    """Asks one model, and each version by its number, for which the images were prepared.

    Where that version is gone, the images are prepared again for the one that took over, if it wants them otherwise.
    """

    def __init__(self, transport: Transport, versions: Versions, options: Options) -> None:
        self._transport = transport
        self._versions = versions
        self._options = options

    def ask(self, tensor: NDArray[Any], sources: Sequence[Source], held: Held, look: int = 0) -> list[Predicted]:
        """The predictions for each image.

        Args:
            tensor: The images, prepared: [images, …] as the contract says; or their files, bytes objects [images, 1].
            sources: Where they come from.
            held: The version for which they were prepared.
            look: How often they were asked for in vain.

        Raises:
            MissingError: As `Transport`.
        """
        most = _fitting(tensor, held.contract)
        if len(tensor) > most:
            first = self.ask(tensor[:most], sources[:most], held, look)
            return [*first, *self.ask(tensor[most:], sources[most:], held, look)]
        try:
            answers = self._read(self._infer(tensor, held), held, len(tensor))
            if held.contract.encoded and len(tensor) > 1 and any(answer.error for answer in answers):
                return self._ask_each(tensor, sources, held, look)
            return answers
        except FileRefusedError as exc:
            if not held.contract.encoded:  # whoever refuses one prepared image refuses all: they are of one size
                raise
            if len(tensor) == 1:
                return [Predicted(error=exc.reason)]
            return self._ask_each(tensor, sources, held, look)
        except VersionGoneError as exc:  # before it answered, or before it told what its answer means
            if look == LOOKS:
                raise self._given_up(held, exc) from exc
        return self._ask_again(tensor, sources, held, self._successor(held, look), look + 1)

    def _ask_each(self, tensor: NDArray[Any], sources: Sequence[Source], held: Held, look: int) -> list[Predicted]:
        """Ask for each file by itself: one that the server does not take then comes with its reason."""
        asked = (self.ask(tensor[i : i + 1], sources[i : i + 1], held, look) for i in range(len(tensor)))
        return [answer for (answer,) in asked]

    def _successor(self, held: Held, look: int) -> Held:
        """The version that answers now: the same where that cannot be told."""
        pause(look)
        try:
            return self._versions.hold()
        except GONE:
            return held

    def _given_up(self, held: Held, refusal: VersionGoneError) -> ModelUnavailableError:
        name = held.contract.name
        if self._versions.wanted:
            return ModelUnavailableError(f"version {held.version} of {name}, which was asked for, is gone: {refusal}")
        return ModelUnavailableError(f"{name} changes its versions faster than images can be prepared: {refusal}")

    def _ask_again(
        self, tensor: NDArray[Any], sources: Sequence[Source], old: Held, held: Held, look: int
    ) -> list[Predicted]:
        """Ask this version, for which the images are prepared anew if it wants them otherwise."""
        contract = held.contract
        if contract.asks_like(old.contract):
            return self.ask(tensor, sources, held, look)
        tensor = np.empty((len(sources), *contract.input.shape), contract.array_type)
        outcomes: list[Predicted | None] = []
        for source, out in zip(sources, tensor, strict=True):
            try:
                prepare(source, contract, self._options, out)
                outcomes.append(None)
            except ImageError as exc:
                outcomes.append(Predicted(error=exc.reason))
        good = [i for i, outcome in enumerate(outcomes) if outcome is None]
        answers = self.ask(tensor[good], [sources[i] for i in good], held, look) if good else []
        found = iter(answers)
        return [outcome or next(found) for outcome in outcomes]

    def _infer(self, tensor: NDArray[Any], held: Held) -> Answer:
        contract = held.contract
        count = min(self._options.top, contract.classes) if self._options.server_top else 0
        request = Inference(
            contract.name,
            contract.input.name,
            contract.output.name,
            tensor if contract.batched else tensor[0],
            held.version,
            class_count=count,
            expected=len(tensor) * (count or contract.classes),
        )
        answer = self._transport.infer(request)
        if answer.version not in ("", held.version):
            raise RequestError(f"{contract.name}: version {held.version} was asked, and {answer.version} answered")
        return answer

    def _read(self, answer: Answer, held: Held, images: int) -> list[Predicted]:
        """Each image's, from its values or from the server's choice."""
        version, contract = held.version, held.contract
        labels = () if self._options.server_top else self._versions.labels(version)
        digest = self._versions.digest(version) if self._options.basis else ""
        rows = answer.values.reshape(images, -1)
        return [
            replace(self._predicted(row, labels, contract), version=version, digest=digest, scores=contract.scores)
            for row in rows
        ]

    def _predicted(self, row: NDArray[Any], labels: Sequence[str], contract: ModelContract) -> Predicted:
        try:
            if not self._options.server_top:
                chosen = top(row, labels, self._options.top, contract.scores, self._options.threshold)
                return Predicted(predictions=chosen)
            chosen = parse_classification(row, contract.scores)
            check(np.array([prediction.score for prediction in chosen]), contract.scores)
            return Predicted(predictions=chosen)
        except ContractError as exc:
            return Predicted(error=str(exc))


def _fitting(tensor: NDArray[Any], contract: ModelContract) -> int:
    """How many of the first images go into one request."""
    if not contract.encoded:
        return contract.max_batch_size
    ends = accumulate(len(file) for file in tensor[: contract.max_batch_size, 0])
    return max(sum(end <= MOST_BYTES for end in ends), 1)

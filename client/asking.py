"""Prepared images -> predictions, each under the contract of the version that answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.decode import Prediction, check, parse_classification, top
from tritonrepo.client.errors import ContractError, ImageError, ModelUnavailableError, RequestError
from tritonrepo.client.images import to_rgb
from tritonrepo.client.options import Options
from tritonrepo.client.preprocess import preprocess
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Answer, Inference, Transport
from tritonrepo.client.versions import LOOKS, Versions


@dataclass(frozen=True)
class Predicted:
    """What the model said of one image.

    Attributes:
        version: Of the model; empty where it was not asked.
        predictions: Best first; empty when `error` says why there are none.
        error: What is wrong with the answer.
    """

    version: str = ""
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None


def prepare(source: Source, contract: ModelContract, options: Options, out: NDArray[Any]) -> Image.Image:
    """Decode an image and write it into `out` as the model wants it.

    Returns:
        The picture, RGB.

    Raises:
        ImageError: It cannot be used.
    """
    least_side = contract.preprocessing.resize if options.decode == "fast" else None
    image = to_rgb(source.load(orient=options.orient, least_side=least_side))
    preprocess(image, contract.preprocessing, out)
    return image


class Asker:
    """Asks one model.

    Where another version answers than the one for which the images were prepared, and it wants them otherwise, they
    are prepared again for that version and sent to it.
    """

    def __init__(self, transport: Transport, versions: Versions, options: Options) -> None:
        self._transport = transport
        self._versions = versions
        self._options = options

    def ask(
        self,
        tensor: NDArray[Any],
        sources: Sequence[Source],
        contract: ModelContract,
        pinned: str = "",
        looks: int = LOOKS,
    ) -> list[Predicted]:
        """The predictions for each image.

        Args:
            tensor: The images, prepared: [images, …] as `contract` says.
            sources: Where they come from.
            contract: By which they were prepared.
            pinned: The version to ask, if it must be one.
            looks: How often to prepare them again.

        Raises:
            MissingError: As `Transport`.
        """
        most = contract.max_batch_size
        if len(tensor) > most:
            first = self.ask(tensor[:most], sources[:most], contract, pinned, looks)
            return [*first, *self.ask(tensor[most:], sources[most:], contract, pinned, looks)]
        try:
            answer = self._infer(tensor, contract, pinned)
            found = self._versions.contract(answer.version)
            if found.asks_like(contract):
                return [self._predicted(row, found, answer.version) for row in answer.values.reshape(len(tensor), -1)]
            pinned = answer.version
        except (RequestError, ModelUnavailableError) as exc:
            # Another version may have taken over that takes no such tensor, or the one that we asked for is gone.
            renewed = self._versions.renewed(contract) if isinstance(exc, RequestError) or pinned else None
            if renewed is None:
                raise
            found, pinned = renewed, ""
        if not looks:
            raise ModelUnavailableError(f"{contract.name} changes its versions faster than images can be prepared")
        return self._ask_again(sources, found, pinned, looks - 1)

    def _ask_again(
        self, sources: Sequence[Source], contract: ModelContract, pinned: str, looks: int
    ) -> list[Predicted]:
        tensor = np.empty((len(sources), *contract.input.shape), contract.preprocessing.numpy_dtype)
        outcomes: list[Predicted | None] = []
        for source, out in zip(sources, tensor, strict=True):
            try:
                prepare(source, contract, self._options, out)
                outcomes.append(None)
            except ImageError as exc:
                outcomes.append(Predicted(error=exc.reason))
        good = [i for i, outcome in enumerate(outcomes) if outcome is None]
        answers = self.ask(tensor[good], [sources[i] for i in good], contract, pinned, looks) if good else []
        found = iter(answers)
        return [outcome or next(found) for outcome in outcomes]

    def _infer(self, tensor: NDArray[Any], contract: ModelContract, pinned: str) -> Answer:
        count = min(self._options.top, contract.classes) if self._options.server_top else 0
        request = tensor if contract.batched else tensor[0]
        return self._transport.infer(
            Inference(contract.name, contract.input.name, contract.output.name, request, pinned, class_count=count)
        )

    def _predicted(self, row: NDArray[Any], contract: ModelContract, version: str) -> Predicted:
        """One image's, from its values or from the server's choice."""
        try:
            if not self._options.server_top:
                labels = self._versions.labels(version)
                return Predicted(version, top(row, labels, self._options.top, contract.scores))
            chosen = parse_classification(row, contract.scores)
            check(np.array([prediction.score for prediction in chosen]), contract.scores)
            return Predicted(version, chosen)
        except ContractError as exc:
            return Predicted(version, error=str(exc))

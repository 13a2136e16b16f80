"""Prepared images -> predictions, each under the contract of the version that answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from tritonrepo.client.versions import GONE, LOOKS, Versions, pause


@dataclass(frozen=True)
class Predicted:
    """What the model said of one image.

    Attributes:
        version: Of the model; empty where it was not asked.
        predictions: Best first; empty when `error` says why there are none.
        error: What is wrong with the answer.
        digest: Of what it depends on beside the image, where that is kept.
    """

    version: str = ""
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    digest: str = ""


def prepare(source: Source, contract: ModelContract, options: Options, out: NDArray[Any]) -> Image.Image:
    """Decode an image and write it into `out` as the model wants it.

    Returns:
        The picture, RGB.

    Raises:
        ImageError: It cannot be used.
    """
    least_side = contract.preprocessing.least_side if options.decode == "fast" else None
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
        look: int = 0,
    ) -> list[Predicted]:
        """The predictions for each image.

        Args:
            tensor: The images, prepared: [images, …] as `contract` says.
            sources: Where they come from.
            contract: By which they were prepared.
            pinned: The version to ask, if it must be one.
            look: How often they were asked for in vain.

        Raises:
            MissingError: As `Transport`.
        """
        most = contract.max_batch_size
        if len(tensor) > most:
            first = self.ask(tensor[:most], sources[:most], contract, pinned, look)
            return [*first, *self.ask(tensor[most:], sources[most:], contract, pinned, look)]
        try:
            answer = self._infer(tensor, contract, pinned)
        except (RequestError, ModelUnavailableError) as exc:
            found, version = self._after(exc, contract, pinned, look)
        else:
            try:
                found, version = self._versions.contract(answer.version), answer.version
                if found.asks_like(contract):
                    return self._read(answer, found, len(tensor))
            except GONE:  # What this version means by its answer can no longer be known.
                found, version = self._present(contract, look)
        if look == LOOKS:
            raise ModelUnavailableError(f"{contract.name} changes its versions faster than images can be prepared")
        return self._ask_again(tensor, sources, contract, found, version, look + 1)

    def _after(
        self, refusal: RequestError | ModelUnavailableError, contract: ModelContract, pinned: str, look: int
    ) -> tuple[ModelContract, str]:
        """Whom to ask after a refusal, which is raised again where that would change nothing.

        Another version may have taken over that takes no such tensor, or the one that was asked for is gone.
        """
        if look == LOOKS or (isinstance(refusal, ModelUnavailableError) and not pinned):
            raise refusal
        found, version = self._present(contract, look)
        if isinstance(refusal, RequestError) and version == pinned:
            raise refusal
        return found, version

    def _present(self, contract: ModelContract, look: int) -> tuple[ModelContract, str]:
        """The contract of the version that answers now, and its number: the same and none where that cannot be told."""
        pause(look)
        try:
            newest = self._versions.newest()
            return self._versions.contract(newest), newest
        except GONE:
            return contract, ""

    def _ask_again(
        self,
        tensor: NDArray[Any],
        sources: Sequence[Source],
        old: ModelContract,
        contract: ModelContract,
        pinned: str,
        look: int,
    ) -> list[Predicted]:
        """Ask this version, for which the images are prepared anew if it wants them otherwise."""
        if contract.asks_like(old):
            return self.ask(tensor, sources, contract, pinned, look)
        tensor = np.empty((len(sources), *contract.input.shape), contract.preprocessing.numpy_dtype)
        outcomes: list[Predicted | None] = []
        for source, out in zip(sources, tensor, strict=True):
            try:
                prepare(source, contract, self._options, out)
                outcomes.append(None)
            except ImageError as exc:
                outcomes.append(Predicted(error=exc.reason))
        good = [i for i, outcome in enumerate(outcomes) if outcome is None]
        answers = self.ask(tensor[good], [sources[i] for i in good], contract, pinned, look) if good else []
        found = iter(answers)
        return [outcome or next(found) for outcome in outcomes]

    def _infer(self, tensor: NDArray[Any], contract: ModelContract, pinned: str) -> Answer:
        count = min(self._options.top, contract.classes) if self._options.server_top else 0
        request = Inference(
            contract.name,
            contract.input.name,
            contract.output.name,
            tensor if contract.batched else tensor[0],
            pinned,
            class_count=count,
            expected=len(tensor) * (count or contract.classes),
        )
        return self._transport.infer(request)

    def _read(self, answer: Answer, contract: ModelContract, images: int) -> list[Predicted]:
        """Each image's, from its values or from the server's choice."""
        labels = () if self._options.server_top else self._versions.labels(answer.version)
        digest = self._versions.digest(answer.version) if self._options.basis else ""
        rows = answer.values.reshape(images, -1)
        return [replace(self._predicted(row, labels, contract), version=answer.version, digest=digest) for row in rows]

    def _predicted(self, row: NDArray[Any], labels: Sequence[str], contract: ModelContract) -> Predicted:
        try:
            if not self._options.server_top:
                return Predicted(predictions=top(row, labels, self._options.top, contract.scores))
            chosen = parse_classification(row, contract.scores)
            check(np.array([prediction.score for prediction in chosen]), contract.scores)
            return Predicted(predictions=chosen)
        except ContractError as exc:
            return Predicted(error=str(exc))

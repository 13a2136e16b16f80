"""What one image gave: predictions or an error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tritonrepo.client.basis import Basis
from tritonrepo.client.decode import Prediction, Scores


@dataclass(frozen=True)
class Result:
    """What became of one image.

    Attributes:
        image: The name that it was given by.
        model: Who was asked.
        version: Of the model that answered.
        predictions: Best first; empty when `error` says why there are none, or none reaches the threshold.
        error: Why the image could not be classified.
        thumbnail: A small WebP picture, where thumbnails were asked for.
        basis: What the predictions depend on, where that was asked for.
        scores: Of which kind they are: where they are `independent`, each class was judged by itself.
    """

    image: str
    model: str
    version: str = ""
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    thumbnail: bytes | None = None
    basis: Basis | None = None
    scores: Scores = "logits"

    @property
    def multi_label(self) -> bool:
        """Whether several classes may be true at once, so that the probabilities do not add up to 1."""
        return self.scores == "independent"

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of `--format json`; a class that the model rules out, by -inf, has no score."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        kind = {"scores": self.scores} if self.multi_label else {}
        return {
            "image": self.image,
            "model": self.model,
            "version": self.version,
            **kind,
            "predictions": [_prediction(p) for p in self.predictions],
        }

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, if there is a thumbnail, and its predictions with bars."""
        from tritonrepo.client.gallery import standalone_card  # Here, since a gallery is made of results.

        return standalone_card(self)


def _prediction(prediction: Prediction) -> dict[str, Any]:
    known = {} if prediction.probability is None else {"probability": prediction.probability}
    score = prediction.score if math.isfinite(prediction.score) else None
    return {"index": prediction.index, "label": prediction.label, **known, "score": score}

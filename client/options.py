"""What a caller may choose of a run."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

from tritonrepo.client.errors import UsageError

DECODERS = ("exact", "fast")


@dataclass(frozen=True)
class Options:
    """How a run is done.

    Attributes:
        top: Predictions per image.
        threshold: Give every class whose probability is at least this instead of the `top` best, however many there
            are; for models whose scores are independent, of which several classes may be true.
        batch_size: Images per request, at most the model's maximum; by default 8 or that.
        concurrency: Requests in flight.
        workers: Decoding threads; by default one per CPU.
        decode: exact, or fast: JPEGs are scaled while they are decoded.
        orient: Turn pictures as their EXIF data says.
        server_top: Let the server choose the best classes: saves traffic, gives scores without probabilities.
        thumbnails: Keep a small picture with each result.
        basis: Keep with each result what it depends on, for files that a later run goes on with.

    Raises:
        UsageError: A value makes no sense.
    """

    top: int = 5
    threshold: float | None = None
    batch_size: int | None = None
    concurrency: int = 4
    workers: int | None = None
    decode: str = "exact"
    orient: bool = True
    server_top: bool = False
    thumbnails: bool = False
    basis: bool = False

    def __post_init__(self) -> None:
        for name in ("top", "batch_size", "concurrency", "workers"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Integral) and int(value) >= 1):
                raise UsageError(f"{name.replace('_', ' ')} is {value}, it must be a whole number from 1")
        if self.threshold is not None:
            _check_threshold(self.threshold, self.server_top)
        if self.decode not in DECODERS:
            raise UsageError(f"decode {self.decode!r} is not one of {', '.join(DECODERS)}")


def _check_threshold(threshold: float, server_top: bool) -> None:
    if not (isinstance(threshold, Real) and 0 <= threshold <= 1):
        raise UsageError(f"threshold is {threshold!r}, it must be a number from 0 to 1")
    if server_top:
        raise UsageError("a threshold needs the score of every class, and the server would send the best ones alone")

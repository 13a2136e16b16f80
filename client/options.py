"""What a caller may choose of a run."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from tritonrepo.client.errors import UsageError

DECODERS = ("exact", "fast")


@dataclass(frozen=True)
class Options:
    """How a run is done.

    Attributes:
        top: Predictions per image.
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
        if self.decode not in DECODERS:
            raise UsageError(f"decode {self.decode!r} is not one of {', '.join(DECODERS)}")

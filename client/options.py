"""What a caller may choose of a run."""

from __future__ import annotations

from dataclasses import dataclass

from tritonrepo.client.errors import UsageError

DECODERS = ("exact", "fast")


@dataclass(frozen=True)
class Options:
    """`top`: predictions per image. `batch_size`: images per request, at most the model's maximum (default: 8 or that).

    `concurrency`: requests in flight. `workers`: decoding threads (default: one per CPU). `decode`: exact | fast.
    `orient`: obey EXIF orientation. `server_top`: let the server choose the best classes; saves traffic, gives scores
    without probabilities. `thumbnails`: keep a small picture with each result. Raises UsageError.
    """

    top: int = 5
    batch_size: int | None = None
    concurrency: int = 4
    workers: int | None = None
    decode: str = "exact"
    orient: bool = True
    server_top: bool = False
    thumbnails: bool = False

    def __post_init__(self) -> None:
        for name in ("top", "batch_size", "concurrency", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name.replace('_', ' ')} is {value}, it must be at least 1")
        if self.decode not in DECODERS:
            raise UsageError(f"decode {self.decode!r} is not one of {', '.join(DECODERS)}")

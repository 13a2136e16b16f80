"""What manifest.json in each version directory holds."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Weights:
    """Where the parameters came from; goes into the manifest and config.pbtxt."""

    source: str
    sha256: str
    """Of the checkpoint file, or of the tensors where there is no file."""
    trained: bool

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

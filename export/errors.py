"""What can go wrong in an export. Each error says what was wrong, where, and what to do about it."""

from tritonrepo.client.errors import MissingError, TritonRepoError


class NotPublishableError(MissingError):
    """The artifact can be made here but not verified, for want of hardware. The message says what was made."""


class DownloadError(MissingError):
    """A file cannot be downloaded.

    Attributes:
        reason: Why, without the address and the remedy.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"cannot download {url}: {reason}. Download it on another machine and pass --weights PATH, "
            "or use --weights seeded for an untrained network"
        )
        self.reason = reason


class WeightsError(TritonRepoError):
    """A checkpoint cannot be read, is not a tensor dictionary, or belongs to another network."""


class ConversionError(TritonRepoError):
    """A framework could not turn the module into its format."""


class VerificationError(TritonRepoError):
    """An artifact does not compute what the PyTorch module computes."""

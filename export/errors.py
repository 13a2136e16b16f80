"""What can go wrong in an export. Each error says what was wrong, where, and what to do about it."""

from tritonrepo.client.errors import MissingError, TritonRepoError


class NotPublishableError(MissingError):
    """The artifact can be made here but not verified, for want of hardware. The message says what was made."""


class WeightsError(TritonRepoError):
    """A checkpoint cannot be read, is not a tensor dictionary, or belongs to another network."""


class ConversionError(TritonRepoError):
    """A framework could not turn the module into its format."""


class VerificationError(TritonRepoError):
    """An artifact does not compute what the PyTorch module computes."""

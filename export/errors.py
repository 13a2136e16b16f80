"""What can go wrong in an export. Each error says what was wrong, where, and what to do about it."""


class ExportError(Exception):
    """Root of the errors that `python -m export` turns into a message and an exit status."""

    exit_status = 1


class UsageError(ExportError):
    """The command's words are wrong: an unknown model or format, a number out of range, labels that do not fit."""

    exit_status = 2


class MissingError(ExportError):
    """Something outside is missing: the network, a package, a GPU, a writable disk."""

    exit_status = 3


class NotPublishableError(MissingError):
    """The artifact can be made here but not verified, for want of hardware. The message says what was made."""


class WeightsError(ExportError):
    """A checkpoint cannot be read, is not a tensor dictionary, or belongs to another network."""


class ConversionError(ExportError):
    """A framework could not turn the module into its format."""


class VerificationError(ExportError):
    """An artifact does not compute what the PyTorch module computes."""


class PublishError(ExportError):
    """The repository holds something that the publisher must not overwrite or cannot understand."""

"""What can go wrong: the root of every error here, and the client's. Each says what, where, and what to do."""

from __future__ import annotations


class TritonRepoError(Exception):
    """Any failure that this project names.

    Attributes:
        exit_status: What the command ends with.
    """

    exit_status = 1


class UsageError(TritonRepoError):
    """The caller's words are wrong: an unknown model, a number out of range, a pattern that matches nothing."""

    exit_status = 2


class MissingError(TritonRepoError):
    """Something outside is missing: a server, the network, a package, a GPU, a writable disk."""

    exit_status = 3


class ServerUnavailableError(MissingError):
    """No answer: nothing listens there, the connection broke, or the server is not ready. Safe to try again.

    Attributes:
        retry_after: Seconds that the server asks to be left alone, 0 if it does not.
    """

    retry_after = 0.0


class DeadlineError(ServerUnavailableError):
    """The server took longer than the deadline of the request. Safe to try again."""


class ModelUnavailableError(MissingError):
    """The server knows the model and cannot run it now: not ready, or its backend died."""


class VersionGoneError(ModelUnavailableError):
    """The version that was asked for is no longer there, and another is: a release happened."""


class RequestError(MissingError):
    """The server refused or failed the request. Trying the same again would give the same answer."""


class ClosedError(RequestError):
    """The server answers this only to whoever presents its key."""


class FileRefusedError(RequestError):
    """The server decodes image files itself, and does not take this one. The others go on.

    Attributes:
        reason: In the server's words.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class RegionLostError(RequestError):
    """The server does not know a shared memory region that we registered: it was restarted since."""


class ContractError(MissingError):
    """The served model does not keep the contract: tensors, preprocessing parameter, labels."""


class ImageError(TritonRepoError):
    """One image that cannot be used. The others go on.

    Attributes:
        reason: The message without the name, for reports that already have the name in another column.
        source: The image's name, if it is known.
    """

    def __init__(self, reason: str, source: str | None = None) -> None:
        super().__init__(f"{source}: {reason}" if source else reason)
        self.reason = reason
        self.source = source


class UnreachableImageError(ImageError):
    """An image that cannot be had now and may be later: the network, the server or the file system has failed.

    Attributes:
        retry_after: Seconds that the server asks to be left alone, 0 if it does not.
    """

    retry_after = 0.0

"""What can go wrong in the client. Each error says what was wrong, where, and what to do."""

from __future__ import annotations


class ClientError(Exception):
    """Any failure of the client. `exit_status` is what the command line ends with when nothing else was done."""

    exit_status = 1


class UsageError(ClientError):
    """The caller's words are wrong: an unknown model, a pattern that matches nothing, an impossible batch size."""

    exit_status = 2


class ServerUnavailableError(ClientError):
    """No answer: nothing listens there, the connection broke, or the server is not ready. Safe to try again."""

    exit_status = 3


class DeadlineError(ServerUnavailableError):
    """The server took longer than the deadline of the request. Safe to try again."""


class ModelUnavailableError(ClientError):
    """The server knows the model and cannot run it now: not ready, or its backend died."""

    exit_status = 3


class RequestError(ClientError):
    """The server refused or failed the request. Trying the same again would give the same answer."""

    exit_status = 3


class RegionLostError(RequestError):
    """The server does not know a shared memory region that we registered: it was restarted since."""


class ContractError(ClientError):
    """The served model does not keep the contract: tensors, preprocessing parameter, labels."""

    exit_status = 3


class ImageError(ClientError):
    """One image that cannot be used. The others go on.

    `reason` is the message without the name, for reports that already have the name in another column.
    """

    def __init__(self, reason: str, source: str | None = None) -> None:
        super().__init__(f"{source}: {reason}" if source else reason)
        self.reason = reason
        self.source = source

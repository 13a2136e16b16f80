"""What can go wrong while serving. Each message says what was wrong, where, and what to do."""

from tritonrepo.client.errors import MissingError


class ServeError(MissingError):
    """The server does not do what it was asked; the root of the errors of this room."""


class InstallationError(ServeError):
    """Something that the embedded Triton needs is not installed."""


class PortTakenError(ServeError):
    """A port that was asked for cannot be used: another program has it, or the address is none of this host's."""

    def __init__(self, port: int, host: str, error: OSError) -> None:
        super().__init__(
            f"port {port} on {host} cannot be used ({error.strerror}); stop what listens there or choose another"
        )


class StartError(ServeError):
    """The server did not become ready; the message ends with the tail of its log."""


class ShortageError(StartError):
    """The machine lacks what a start needs: room on a disk, shared memory, files. A moment later it may be there."""


class ServerDiedError(ServeError):
    """The server ended by itself; the message ends with the tail of its log.

    Attributes:
        how: The exit status in words, and the cause that the log names.
    """

    def __init__(self, how: str, tail: str) -> None:
        super().__init__(f"tritonserver ended by itself {how}; {tail}")
        self.how = how


class NoAnswerError(ServeError):
    """The server was asked and did not answer."""


class SilentError(NoAnswerError):
    """The server took the question, and let the time pass."""


class CannotAskError(NoAnswerError):
    """This process could not ask: it is short of files or memory itself."""


class GivenUpError(ServeError):
    """The server ended again and again, and is not started any more."""

"""What can go wrong while serving. Each message says what was wrong, where, and what to do."""


class ServeError(Exception):
    """Base of every error that this package raises on purpose."""


class InstallationError(ServeError):
    """Something that the embedded Triton needs is not installed."""


class RepositoryError(ServeError):
    """The model repository is not a directory, or holds nothing to serve."""


class PortTakenError(ServeError):
    """Another program listens on a port that was asked for."""


class StartError(ServeError):
    """The server did not become ready; the message ends with the tail of its log."""


class ServerDiedError(ServeError):
    """The server ended by itself; the message ends with the tail of its log."""

"""What can go wrong with a release."""

from tritonrepo.client.errors import TritonRepoError


class ReleaseError(TritonRepoError):
    """A version is not released; the message says why, and what every server answers from now."""


class ServerError(TritonRepoError):
    """A server did not do what a release needs of it; the message says what, without its address."""

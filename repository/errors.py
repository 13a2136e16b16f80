"""What can go wrong with a model repository."""

from tritonrepo.client.errors import MissingError, TritonRepoError


class RepositoryError(MissingError):
    """The model repository is not a directory, or holds nothing to serve, or what Triton cannot live with."""


class StoreError(RepositoryError):
    """An object store cannot be reached, or does not do what it was asked."""


class ConfigError(RepositoryError):
    """A config.pbtxt is missing, cannot be read or does not parse."""


class PublishError(TritonRepoError):
    """The repository holds something that the publisher must not overwrite or cannot understand."""


class GoldenError(RepositoryError):
    """The golden images of a version are missing, changed or cannot be read."""


class ManifestError(RepositoryError):
    """A manifest.json is missing, cannot be read or is no manifest."""


class SignatureError(RepositoryError):
    """A version is not signed, or not as it lies there, or not by this key."""

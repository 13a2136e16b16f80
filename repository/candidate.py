"""What is ready to become a version of a model."""

from dataclasses import dataclass
from pathlib import Path

from tritonrepo.repository.manifest import Manifest


@dataclass(frozen=True)
class Candidate:
    """A verified artifact, ready to become a version.

    Attributes:
        name: `<model>_<format>`.
        artifact: In the staging directory, under its final file name.
        config: The text of config.pbtxt.
        labels: One for each class.
        manifest: What is known of the artifact.
        tree: A directory on the repository's filesystem with all that the version is to hold beside these, the
            artifact included. None: the artifact alone.
    """

    name: str
    artifact: Path
    config: str
    labels: tuple[str, ...]
    manifest: Manifest
    tree: Path | None = None

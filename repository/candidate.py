"""What is ready to become a version of a model."""

from dataclasses import dataclass
from pathlib import Path

from tritonrepo.repository.digest import sha256
from tritonrepo.repository.labels import to_text
from tritonrepo.repository.layout import CONFIG_FILENAME, LABELS_FILENAME
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

    @property
    def files(self) -> dict[str, str]:
        """What stands beside the versions, and in the version itself, by file name."""
        return {CONFIG_FILENAME: self.config, LABELS_FILENAME: to_text(self.labels)}

    def is_in(self, version: Path) -> bool:
        """Whether a version has its artifact, byte for byte."""
        artifact = version / self.artifact.name
        return artifact.is_file() and sha256(artifact) == self.manifest.artifact.sha256

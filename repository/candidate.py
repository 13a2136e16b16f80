"""What is ready to become a version of a model."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tritonrepo.repository.files import write
from tritonrepo.repository.labels import to_text
from tritonrepo.repository.layout import CONFIG_FILENAME, GOLDEN_FILENAME, LABELS_FILENAME, MANIFEST_FILENAME
from tritonrepo.repository.manifest import Manifest
from tritonrepo.repository.record import own_text
from tritonrepo.repository.store.seam import Store


@dataclass(frozen=True)
class Candidate:
    """A verified artifact, ready to become a version.

    Attributes:
        name: `<model>_<format>`.
        artifact: In the staging directory, under its final file name.
        config: The text of config.pbtxt.
        labels: One for each class.
        manifest: What is known of the artifact.
        tree: A directory with all that the version is to hold beside these, the artifact included. None: the artifact
            alone.
        golden: Its golden images, on the filesystem of the artifact, under their final file name.
    """

    name: str
    artifact: Path
    config: str
    labels: tuple[str, ...]
    manifest: Manifest
    tree: Path | None = None
    golden: Path | None = None

    def lay_out(self, version: int, directory: Path) -> None:
        """Write all files of this version into a new directory on the filesystem of the artifact, which goes there.

        No hard links: to Triton, a file changes when another link to it is removed.

        Raises:
            OSError: The disk refuses.
        """
        if self.tree is None:
            directory.mkdir()
            self.artifact.rename(directory / self.artifact.name)
        else:
            shutil.copytree(self.tree, directory)
        if self.golden is not None:
            self.golden.rename(directory / GOLDEN_FILENAME)
        texts = {
            CONFIG_FILENAME: own_text(self.config, version),
            LABELS_FILENAME: to_text(self.labels),
            MANIFEST_FILENAME: self.manifest.to_json(),
        }
        for name, text in texts.items():
            write(directory / name, text)

    def is_version(self, store: Store, version: int, text: str) -> bool:
        """Whether a version has this configuration, these labels, and this artifact, byte for byte.

        Args:
            store: Where it is.
            version: Its number.
            text: The configuration by which it is served.
        """
        at = f"{self.name}/{version}"
        return (
            own_text(self.config, version) == own_text(text, version)
            and store.read(f"{at}/{LABELS_FILENAME}") == to_text(self.labels).encode()
            and store.checksum(f"{at}/{self.artifact.name}") == self.manifest.artifact.sha256
        )

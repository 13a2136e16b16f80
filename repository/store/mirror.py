"""A copy of a repository on this machine to look at: small files whole, of large ones the size and the checksum."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.layout import CONFIG_FILENAME, parse_config
from tritonrepo.repository.store.seam import Store

SMALL = 16 << 20
"""Bytes up to which a file is copied."""


@dataclass(frozen=True)
class Mirror:
    """The copy.

    Attributes:
        root: A directory that is laid out like the repository. What was left behind is there as a hollow file of the
            same size.
        left: The large files that were left behind, by their path here, with their SHA-256.
    """

    root: Path
    left: dict[Path, str | None] = field(default_factory=dict)


@contextmanager
def mirrored(store: Store) -> Iterator[Mirror]:
    """Copy a repository; the copy goes with the block.

    Raises:
        MissingError: The store fails.
        OSError: The disk does.
    """
    with tempfile.TemporaryDirectory(prefix="tritonrepo-mirror-") as place:
        mirror = Mirror(Path(place))
        for model in store.models():
            _copy_record(store, model, mirror)
            for version in store.versions(model):
                for name, size in store.files(model, version).items():
                    _copy(store, f"{model}/{version}/{name}", size, mirror)
        yield mirror


def _copy_record(store: Store, model: str, mirror: Mirror) -> None:
    """What lies beside the versions: the record, and the labels of a model that another exporter wrote."""
    (mirror.root / model).mkdir(parents=True)
    content = store.read(f"{model}/{CONFIG_FILENAME}")
    if content is None:
        return
    (mirror.root / model / CONFIG_FILENAME).write_bytes(content)
    try:
        config = parse_config(content.decode(errors="replace"), model)
    except ConfigError:  # whoever looks at the copy finds it too
        return
    for name in {output.label_filename for output in config.output if output.label_filename}:
        if "/" not in name and (labels := store.read(f"{model}/{name}")) is not None:
            (mirror.root / model / name).write_bytes(labels)


def _copy(store: Store, name: str, size: int, mirror: Mirror) -> None:
    path = mirror.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if size <= SMALL:
        store.fetch(name, path)
        return
    with path.open("xb") as file:
        file.truncate(size)
    mirror.left[path] = store.checksum(name)

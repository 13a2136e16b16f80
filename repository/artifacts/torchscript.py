"""TorchScript archives, without PyTorch."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from tritonrepo.repository.findings import Fault

MEMBERS = ("/constants.pkl", "/model.json")
"""One of them is in every archive of torch.jit.save, new or old, and in none of torch.save."""


def examine(artifact: Path) -> Iterator[Fault]:
    """What keeps the pytorch backend from loading the file. Raises `OSError` if it cannot be read."""
    try:
        with zipfile.ZipFile(artifact) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        yield Fault(f"{artifact.name} is not a TorchScript archive: it is no ZIP file, or is cut off")
        return
    if not any(name.endswith(MEMBERS) for name in names):
        yield Fault(f"{artifact.name} is not a TorchScript archive: torch.save wrote it, or another program")

"""What a repository holds: every version of every model, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tritonrepo.repository.errors import ManifestError
from tritonrepo.repository.layout import MANIFEST_FILENAME, SIGNATURE_FILENAME
from tritonrepo.repository.manifest import Manifest
from tritonrepo.repository.state import State, read_state
from tritonrepo.repository.store.seam import Store


@dataclass(frozen=True)
class Version:
    """One version of a model.

    Attributes:
        model: Its name.
        number: Of the version.
        status: `served`; `earlier`, to which a rollback may go; `staged`, which was never served; `withdrawn`, which is
            pruned with the next publication; or `foreign`, which somebody else put there.
        bytes: Of all its files.
        manifest: None if it has none, or none that can be read.
        signed: Whether it has a signature, which was not verified.
    """

    model: str
    number: int
    status: str
    bytes: int
    manifest: Manifest | None
    signed: bool


def list_versions(store: Store, models: Sequence[str]) -> list[Version]:
    """The versions of these models, ascending.

    Raises:
        PublishError: A record cannot be understood.
        MissingError: The place cannot be read.
    """
    return [version for model in models for version in _versions(store, read_state(store, model))]


def _versions(store: Store, state: State) -> list[Version]:
    found = []
    for number in state.versions:
        files, manifest = store.files(state.model, number), _manifest(store, state.model, number)
        signed, status = SIGNATURE_FILENAME in files, _status(state, number)
        found.append(Version(state.model, number, status, sum(files.values()), manifest, signed))
    return found


def _status(state: State, number: int) -> str:
    if number in state.served:
        return "served"
    if number not in state.published:
        return "foreign"
    if number in state.staged:
        return "staged"
    return "earlier" if number in state.released else "withdrawn"


def _manifest(store: Store, model: str, number: int) -> Manifest | None:
    content = store.read(f"{model}/{number}/{MANIFEST_FILENAME}")
    try:
        return Manifest.from_json(content.decode()) if content else None
    except (ManifestError, UnicodeDecodeError):
        return None

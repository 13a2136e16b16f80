"""A model repository in an object store: S3, Google Cloud Storage or Azure Blob Storage.

A version is uploaded file by file, and others could see half of one. Therefore its number is claimed first, and the
claim is lifted when all is there; until then this store does not list the version. Large files go first, each appears
whole, and the small ones follow at once: a Triton that polls looks at a model again when any of its files is new, and
in vain until the commit.
"""

from contextlib import AbstractContextManager, suppress
from pathlib import Path

from tritonrepo.repository.errors import PublishError, StoreError
from tritonrepo.repository.layout import CONFIG_FILENAME, MANIFEST_FILENAME, SIGNATURE_FILENAME, is_version
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.repository.store.claims import claim, claim_name, find_dead, read_claims
from tritonrepo.repository.store.leases import leased
from tritonrepo.repository.store.seam import ConflictError, Record, in_steps

DEADLINE = 60.0


class ObjectStore:
    """A repository in an object store; each verb raises `StoreError` where the store fails.

    Attributes:
        address: As Triton takes it, without credentials.
    """

    copied = True

    def __init__(self, address: Address, deadline: float = DEADLINE) -> None:
        """Prepare; nothing is asked yet.

        Args:
            address: Where it is.
            deadline: Seconds that one request may take.

        Raises:
            StoreError: There are no credentials.
        """
        self.address = str(address)
        self._bucket = Bucket(address, deadline)

    def models(self) -> list[str]:
        """The models, by name; hidden ones are not among them."""
        return [name for name in self._bucket.look().folders if not name.startswith(".")]

    def versions(self, model: str) -> list[int]:
        """The versions of a model that are whole, ascending."""
        found = {int(name) for name in self._bucket.look(model).folders if is_version(name)}
        claims = read_claims(self._bucket, model)
        return sorted(version for version in found if version not in claims or self._is_whole(model, version))

    def files(self, model: str, version: int) -> dict[str, int]:
        """Bytes of each file of a version, by its name in the version."""
        return self._bucket.sizes(f"{model}/{version}")

    def read(self, name: str) -> bytes | None:
        """A small file, as in `MODEL/3/manifest.json`; None if it is not there."""
        found = self._bucket.get(name)
        return found.content if found else None

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file of any size to this machine.

        Raises:
            OSError: It cannot be written.
        """
        self._bucket.fetch(name, target)

    def checksum(self, name: str) -> str | None:
        """The SHA-256 of a file: the one that it was published with, else by reading it; None if it is not there."""
        return self._bucket.digest(name)

    def add_version(self, model: str, version: int, source: Path) -> None:
        """Upload a version, whole or not at all.

        Raises:
            ConflictError: That number is taken.
            OSError: A file cannot be read.
        """
        for dead in find_dead(self._bucket, model):
            self._clear(model, dead)
        if not claim(self._bucket, model, version):
            raise ConflictError(
                f"{self.address}: version {version} of {model} is being published by somebody else; try again when "
                f"that is done. If that was killed on another machine, remove the object {claim_name(model, version)}"
            )
        try:
            if self.files(model, version):
                raise ConflictError(f"{self.address}: {model} has a version {version} already; try again")
            self._upload(model, version, source)
        finally:
            self._bucket.delete([claim_name(model, version)])

    def add_signature(self, model: str, version: int, source: Path) -> None:
        """Upload the signature of a version, or replace the one that it has."""
        self._bucket.send(source, f"{model}/{version}/{SIGNATURE_FILENAME}")

    def create(self, model: str, version: int, source: Path, text: str) -> Record:
        """Add a model: a record that serves nothing, the version, and its record.

        Raises:
            ConflictError: It has a record, or the version is there already.
        """
        return in_steps(self, model, version, source, text)

    def remove_version(self, model: str, version: int) -> None:
        """Remove a version; its manifest goes last, so that half of it is known for ours."""
        names = sorted(self.files(model, version), key=lambda name: name == MANIFEST_FILENAME)
        self._bucket.delete(f"{model}/{version}/{name}" for name in names)

    def remove_model(self, model: str) -> None:
        """Remove a model, its record first."""
        self._bucket.delete([f"{model}/{CONFIG_FILENAME}"])
        for version in self.versions(model):
            self.remove_version(model, version)

    def record(self, model: str) -> Record | None:
        """See `Store`."""
        found = self._bucket.get(f"{model}/{CONFIG_FILENAME}")
        if found is None:
            return None
        try:
            return Record(found.content.decode(), found.tag)
        except UnicodeDecodeError as exc:
            raise PublishError(
                f"{self.address}/{model}/{CONFIG_FILENAME}: is no text; remove it, then export again"
            ) from exc

    def commit(self, model: str, text: str, expected: Record | None) -> Record:
        """Replace the record in one step.

        Raises:
            ConflictError: It is not `expected` any more, so somebody else has committed since.
        """
        name = f"{model}/{CONFIG_FILENAME}"
        tag = self._bucket.put(name, text.encode(), None if expected is None else expected.tag)
        if tag is None:
            raise ConflictError(f"{self.address}: somebody else has published {model} meanwhile; try again")
        return Record(text, tag)

    def hold(self, model: str) -> AbstractContextManager[None]:
        """See `Store`. By a lease, an object beside the models."""
        return leased(self._bucket, model)

    def _upload(self, model: str, version: int, source: Path) -> None:
        try:
            for path in _in_order(source):
                self._bucket.send(path, f"{model}/{version}/{path.relative_to(source).as_posix()}")
        except BaseException:
            with suppress(StoreError):
                self.remove_version(model, version)
            raise

    def _is_whole(self, model: str, version: int) -> bool:
        """Whether all of a version is there. Who comes too late claims a whole one for a moment."""
        return MANIFEST_FILENAME in self.files(model, version)

    def _clear(self, model: str, version: int) -> None:
        """Remove what a killed publisher left: all that is not whole."""
        if not self._is_whole(model, version):
            self.remove_version(model, version)
        self._bucket.delete([claim_name(model, version)])


def _in_order(source: Path) -> list[Path]:
    """The files of a version, the large first, and last of all the manifest, which says that the rest is there."""
    files = [path for path in source.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: (path == source / MANIFEST_FILENAME, -path.stat().st_size, str(path)))

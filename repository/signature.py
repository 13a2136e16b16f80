"""Signatures: who stands for a version of a model, and that it lies there as it was signed.

A signature is one file in the version's directory, over all the others: the artifact, the manifest, the labels and the
configuration. It is the one file that may come later than the rest of a version, because the key should not lie where
models are exported. It names the version, and the signed manifest names the model, so it counts in no other place.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.client.errors import MissingError
from tritonrepo.client.install import install_command
from tritonrepo.repository.bundle import Bundle
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import ConfigError, ManifestError, SignatureError
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    HIGHEST,
    LABELS_FILENAME,
    SIGNATURE_FILENAME,
    parse_config,
    read_config,
)
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.repository.record import RELEASED
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import Store

SHOWN = 3
"""So many files that differ are named."""


def check(store: Store, model: str, version: int, public_key: Path) -> None:
    """Return if a version is signed with the key, lies there as it was signed, and is served as it was signed.

    Args:
        store: The model repository. What lies elsewhere than on a disk is fetched for it, all of it.
        model: Its name.
        version: The number of the version.
        public_key: PEM.

    Raises:
        SignatureError: It is not so; the message says why.
        UsageError: The file has no such key.
        MissingError: The extra `sign` is not installed, or a file cannot be read.
    """
    fingerprint = _library().fingerprint(public_key)
    with _named(model, version), _on_disk(store, model, version) as directory:
        bundle = _read(directory, model)
        if bundle.key != fingerprint:
            raise SignatureError(f"is signed with another key than {public_key}")
        _verify(directory, bundle, public_key)
        _check_place(directory, model, version, bundle)
        _check_served(store, model, version, directory)


def sign(store: Store, model: str, version: int, key: Path) -> None:
    """Sign a version as it lies there; a signature that it has is replaced.

    Raises:
        SignatureError: There is nothing that could be signed.
        ManifestError: It has no manifest that can be read.
        UsageError: The file has no such key.
        MissingError: The extra `sign` is not installed, or the place refuses.
    """
    library = _library()
    library.check_private_key(key)
    with _named(model, version), _on_disk(store, model, version) as directory:
        if read_manifest(directory).model != model:
            raise SignatureError(f"its manifest is that of another model, {read_manifest(directory).model}")
        try:
            with tempfile.TemporaryDirectory() as temporary:
                signature = Path(temporary) / SIGNATURE_FILENAME
                library.sign(directory, key, signature)
                store.add_signature(model, version, signature)
        except library.MismatchError as exc:
            raise SignatureError(f"cannot be signed: {exc}") from exc


def is_signed(store: Store, model: str, version: int) -> bool:
    """Whether there is a signature, by whatever key, and right or wrong."""
    return SIGNATURE_FILENAME in store.files(model, version)


def _library() -> ModuleType:
    """Import it on first use: it brings some 30 packages along."""
    try:
        from tritonrepo.repository import sigstore
    except ModuleNotFoundError as exc:
        raise MissingError(f"the package {exc.name} is not installed: {install_command('sign')}") from exc
    return sigstore


@contextmanager
def _named(model: str, version: int) -> Iterator[None]:
    """Say about what an error is."""
    try:
        yield
    except (SignatureError, ManifestError, ConfigError) as exc:
        raise type(exc)(f"{model}, version {version}: {exc}") from exc
    except OSError as exc:
        raise MissingError(f"{model}, version {version}: {exc.filename}: {exc.strerror or exc}") from exc


@contextmanager
def _on_disk(store: Store, model: str, version: int) -> Iterator[Path]:
    """The directory of a version: its own, or one to which all of it is fetched while the block runs."""
    if isinstance(store, LocalStore):
        yield Path(store.address) / model / str(version)
        return
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary) / str(version)
        for name in store.files(model, version):
            if ".." in Path(name).parts or Path(name).is_absolute():
                raise SignatureError(f"holds {name!r}, which leads outside of it")
            store.fetch(f"{model}/{version}/{name}", directory / name)
        yield directory


def _read(directory: Path, model: str) -> Bundle:
    path = directory / SIGNATURE_FILENAME
    if not directory.is_dir():
        raise SignatureError("is not there")
    if not path.is_file():
        raise SignatureError(f"has no signature; sign it with: tritonrepo sign {model} --key FILE")
    try:
        return Bundle.from_json(path.read_text(encoding="utf-8"))
    except (SignatureError, UnicodeDecodeError) as exc:
        raise SignatureError(f"{SIGNATURE_FILENAME} {exc}") from exc


def _verify(directory: Path, bundle: Bundle, public_key: Path) -> None:
    """Let the library decide; what follows only says why, and is stricter."""
    library = _library()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            plain = Path(temporary) / SIGNATURE_FILENAME
            plain.write_text(bundle.text, encoding="utf-8")
            library.verify(directory, plain, public_key)
    except library.MismatchError as exc:
        why = _differences(directory, bundle) or [f"the signature does not fit what it lists: {exc}"]
        raise SignatureError("; ".join(why[:SHOWN])) from exc
    if added := _files(directory) - set(bundle.files):
        raise SignatureError(f"{', '.join(sorted(added)[:SHOWN])}: was not there when it was signed")


def _differences(directory: Path, bundle: Bundle) -> list[str]:
    found = _files(directory)
    added = [f"{name}: was not there when it was signed" for name in sorted(found - set(bundle.files))]
    gone = [f"{name}: is signed, and not there" for name in sorted(set(bundle.files) - found)]
    common = sorted(found & set(bundle.files))
    changed = [f"{name}: is not as it was signed" for name in common if sha256(directory / name) != bundle.files[name]]
    return [*changed, *added, *gone]


def _files(directory: Path) -> set[str]:
    """What a signature is about: all but itself."""
    names = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}
    return names - {SIGNATURE_FILENAME}


def _check_place(directory: Path, model: str, version: int, bundle: Bundle) -> None:
    """Refuse what was signed for another place: an old version under a new number, a model under another's name."""
    manifest = read_manifest(directory)
    if (manifest.model, bundle.subject) != (model, str(version)):
        raise SignatureError(f"was signed as version {bundle.subject} of {manifest.model}")


def _check_served(store: Store, model: str, version: int, directory: Path) -> None:
    """The record is written by who publishes; it must say what the newest of the versions that it serves says."""
    state = read_state(store, model)
    if version != state.current or state.record is None:
        return
    config = parse_config(state.record.text, f"{model}/{CONFIG_FILENAME}")
    if _without_place(config) != _without_place(read_config(directory)):
        raise SignatureError(f"{CONFIG_FILENAME} of {model} is not the one that was signed with the version")
    own = directory / LABELS_FILENAME
    signed = own.read_bytes() if own.is_file() else None
    for named in {output.label_filename for output in config.output} - {""}:
        if signed is None or store.read(f"{model}/{named}") != signed:
            raise SignatureError(f"{named} of {model} is not what was signed with the version")


def _without_place(config: ModelConfig) -> ModelConfig:
    """A configuration without what publishing fills in: which versions are served, and where their labels lie."""
    plain = ModelConfig()
    plain.CopyFrom(config)
    plain.ClearField("version_policy")
    for parameter in (HIGHEST, RELEASED):
        plain.parameters.pop(parameter, None)
    for output in plain.output:
        output.ClearField("label_filename")
    return plain

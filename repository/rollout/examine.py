"""What is looked at in a version before any server loads it."""

from __future__ import annotations

from pathlib import Path

from tritonrepo.repository.errors import GoldenError, ManifestError, SignatureError
from tritonrepo.repository.golden import Golden
from tritonrepo.repository.labels import from_text
from tritonrepo.repository.layout import LABELS_FILENAME, MANIFEST_FILENAME
from tritonrepo.repository.manifest import Artifact, Manifest
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.rollout.golden import Expected
from tritonrepo.repository.signature import check
from tritonrepo.repository.store.seam import Store


def examine(store: Store, model: str, version: int, public_key: Path | None = None) -> Expected:
    """Refuse a version that is not what was published or, with a key, what was signed with it.

    Args:
        store: Where it lies.
        model: The model's name.
        version: The number.
        public_key: PEM. None: a signature is not asked for.

    Returns:
        What it has to answer.

    Raises:
        ReleaseError: It is not what was published; the message says which file.
    """
    where = f"{model}/{version}"
    try:
        if public_key:
            check(store, model, version, public_key)
        manifest = _manifest(store, where)
        _check_file(store, where, manifest.artifact)
        if manifest.golden:
            _check_file(store, where, manifest.golden.file)
        return Expected(model, version, _labels(store, where), manifest, _golden(store, where, manifest))
    except (ManifestError, GoldenError, SignatureError) as exc:
        raise ReleaseError(f"{where} is not released: {exc}") from exc


def expect(store: Store, model: str, version: int) -> Expected:
    """What a version has to answer that was released before, as far as that can be told."""
    where = f"{model}/{version}"
    try:
        manifest = _manifest(store, where)
        return Expected(model, version, _labels(store, where), manifest, _golden(store, where, manifest))
    except (ManifestError, GoldenError):
        return Expected(model, version, _labels(store, where), None, None)


def _check_file(store: Store, where: str, recorded: Artifact) -> None:
    """Hold a file of a version against the manifest. Raises `ManifestError`."""
    found = store.checksum(f"{where}/{recorded.file}")
    if found is None:
        raise ManifestError(f"its manifest names {recorded.file}, which is not there")
    if found != recorded.sha256:
        raise ManifestError(f"the SHA-256 of {recorded.file} is not what was published")


def _manifest(store: Store, where: str) -> Manifest:
    content = store.read(f"{where}/{MANIFEST_FILENAME}")
    if content is None:
        raise ManifestError(f"it has no {MANIFEST_FILENAME}")
    try:
        return Manifest.from_json(content.decode("utf-8", "replace"))
    except ManifestError as exc:
        raise ManifestError(f"its {MANIFEST_FILENAME} {exc}") from exc


def _golden(store: Store, where: str, manifest: Manifest) -> Golden | None:
    if manifest.golden is None:
        return None
    return Golden.from_bytes(store.read(f"{where}/{manifest.golden.file.file}") or b"")


def _labels(store: Store, where: str) -> tuple[str, ...]:
    return from_text((store.read(f"{where}/{LABELS_FILENAME}") or b"").decode("utf-8", "replace"))

"""Versions of one model whose golden images are those of the right weights, whatever its artifact computes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tests.live.releases import FIRST, MODEL, Release, draw_pictures
from tests.repository.manifests import manifest_of
from tritonrepo.client.preprocess import preprocess
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.golden import PICTURES, SIDE, Golden
from tritonrepo.repository.layout import GOLDEN_FILENAME
from tritonrepo.repository.manifest import Artifact, GoldenImages
from tritonrepo.repository.publish import Repository, open_repository
from tritonrepo.repository.scores import comparable, scale
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.tolerance import FP32


@dataclass(frozen=True)
class Version:
    """What is staged.

    Attributes:
        right: What the golden images say.
        served: What the artifact computes.
        broken: The artifact is no ONNX at all.
    """

    right: Release
    served: Release
    broken: bool = False


def right_one(factor: float) -> Version:
    """Its weights are the first version's times `factor`."""
    release = replace(FIRST, scale=factor)
    return Version(release, release)


def wrong_one(factor: float) -> Version:
    """A good file with weights that nobody verified."""
    return Version(replace(FIRST, scale=factor), replace(FIRST, scale=-factor))


def broken_one(factor: float) -> Version:
    return replace(right_one(factor), broken=True)


def golden_of(release: Release, place: Path) -> GoldenImages:
    """Write the golden images that an export of these weights would write."""
    pictures = []
    for path in draw_pictures(place / "drawn", PICTURES):
        with Image.open(path) as picture:
            pictures.append(np.asarray(picture.convert("RGB").resize((SIDE, SIDE))))
    tensors = np.stack([preprocess(Image.fromarray(one), release.preprocessing) for one in pictures])
    values = (tensors.mean(axis=(2, 3)) @ release.weights()).astype(np.float32)
    file = place / GOLDEN_FILENAME
    file.write_bytes(Golden.of(np.stack(pictures), values, "logits").to_bytes())
    return GoldenImages(Artifact.of(file), (), scale(comparable(values, "logits", FP32.faintest)), FP32)


def candidate(repository: Repository, version: Version) -> Candidate:
    place = repository.workspace(MODEL)
    (place / "drawn").mkdir()
    artifact = place / "model.onnx"
    version.served.write(artifact)
    if version.broken:
        artifact.write_bytes(artifact.read_bytes()[:100])
    manifest = manifest_of(artifact, golden=golden_of(version.right, place))
    golden = place / GOLDEN_FILENAME
    labels = tuple(version.right.labels)
    return Candidate(MODEL, artifact, version.right.config(), labels, manifest, golden=golden)


def publish(root: Path | Address, version: Version) -> int:
    """Commit it as the next version; its number."""
    with open_repository(root) as repository:
        return repository.publish([candidate(repository, version)], keep=99)[0].version


def stage(root: Path | Address, version: Version) -> int:
    """Add it without committing it; its number."""
    with open_repository(root) as repository:
        return repository.stage([candidate(repository, version)])[0].version

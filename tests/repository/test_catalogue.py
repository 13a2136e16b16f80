"""What `versions` says of a repository."""

from pathlib import Path

from tests.repository import exchange
from tests.repository.releases import NAME, candidate, release
from tritonrepo.repository.catalogue import Version, list_versions
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.store.local import LocalStore


def found(models: Path) -> list[Version]:
    store = LocalStore(models)
    return list_versions(store, store.models())


def statuses(models: Path) -> dict[int, str]:
    return {version.number: version.status for version in found(models)}


def test_every_version_has_its_place(models: Path) -> None:
    for content in (b"one", b"two", b"three"):
        release(models, content, keep=9)
    with open_repository(models) as repository:
        repository.roll_back([NAME])
        repository.stage([candidate(repository, b"four")])
    (models / NAME / "8").mkdir()
    (models / NAME / "8/model.onnx").write_bytes(b"by hand")
    assert statuses(models) == {1: "earlier", 2: "served", 3: "withdrawn", 4: "staged", 8: "foreign"}
    last = found(models)[-1]
    assert (last.model, last.bytes, last.manifest) == (NAME, 7, None)


def test_sizes_and_manifests(models: Path) -> None:
    release(models, b"one")
    (version,) = found(models)
    assert version.bytes == sum(path.stat().st_size for path in (models / NAME / "1").iterdir())
    assert version.manifest is not None
    assert version.manifest.weights.source == "seeded 0"
    (models / NAME / "1/manifest.json").write_text("{")
    assert found(models)[0].manifest is None


def test_what_the_exchange_of_directories_left(models: Path) -> None:
    exchange.write(models, [2, 3])
    assert statuses(models) == {2: "earlier", 3: "served"}


def test_versions_of_another_exporter(models: Path) -> None:
    (models / "theirs/1").mkdir(parents=True)
    (models / "theirs/2").mkdir()
    (models / "theirs/config.pbtxt").write_text('backend: "onnxruntime"')
    assert statuses(models) == {1: "foreign", 2: "served"}

"""The writer over a disk and over an object store: the same publications, rollbacks and races."""

import json
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.repository.releases import FIRST, NAME, SECOND, candidate, release
from tests.repository.store.conftest import plant
from tritonrepo.repository.catalogue import list_versions
from tritonrepo.repository.doctor import examine_store
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import parse_config
from tritonrepo.repository.publish import Publication, find_models, open_repository
from tritonrepo.repository.store.address import Address, open_store
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.repository.store.objects import ObjectStore
from tritonrepo.repository.store.seam import ConflictError, Record, Store

OTHER = "net_torchscript"
Place = Path | Address


def served(place: Place, name: str = NAME) -> tuple[list[int], int]:
    """The versions that the record names, and what tells the configurations apart."""
    record = open_store(place).record(name)
    assert record is not None
    config = parse_config(record.text, name)
    return [*config.version_policy.specific.versions], config.max_batch_size


def everything(store: Store) -> dict[str, bytes | None]:
    """All files of all versions, and the records."""
    names = [f"{model}/config.pbtxt" for model in store.models()]
    for model in store.models():
        for version in store.versions(model):
            names += [f"{model}/{version}/{name}" for name in store.files(model, version)]
    return {name: store.read(name) for name in names}


def release_both(place: Place, content: bytes, config: str = FIRST) -> None:
    with open_repository(place) as repository:
        repository.publish([candidate(repository, content, config, name) for name in (NAME, OTHER)], keep=2)


def test_the_first_version(place: Place) -> None:
    assert release(place, b"one") == Publication(1, "published")
    store = open_store(place)
    assert sorted(everything(store)) == [
        "net_onnx/1/config.pbtxt", "net_onnx/1/labels.txt", "net_onnx/1/manifest.json", "net_onnx/1/model.onnx",
        "net_onnx/config.pbtxt",
    ]  # fmt: skip
    manifest = json.loads(store.read(f"{NAME}/1/manifest.json") or b"")
    assert manifest["artifact"]["sha256"] == sha256(b"one").hexdigest() == store.checksum(f"{NAME}/1/model.onnx")
    assert served(place) == ([1], 1)


def test_versions_count_up_and_old_ones_are_pruned(place: Place) -> None:
    """In an object store, of which servers copy all that is there when a record changes, by the next publication."""
    late = open_store(place).copied
    for number in range(1, 5):
        done, old = release(place, b"%d" % number), number - 2 - late
        assert (done.version, done.pruned) == (number, (old,) if old > 0 else ())
    assert open_store(place).versions(NAME) == ([2, 3, 4] if late else [3, 4])
    assert release(place, b"5", keep=1).pruned == ((2,) if late else (3, 4))
    assert release(place, b"6", keep=1).pruned == ((3, 4) if late else (5,))


def test_nothing_goes_from_a_store_once_servers_copy(bucket: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin when the record is replaced, and fail where something goes meanwhile."""
    commit, seen = ObjectStore.commit, list[dict[str, bytes | None]]()

    def watched(store: ObjectStore, model: str, text: str, expected: Record | None) -> Record:
        record = commit(store, model, text, expected)
        seen.append(everything(store))
        return record

    monkeypatch.setattr(ObjectStore, "commit", watched)
    pruned = [release(bucket, b"%d" % number).pruned for number in range(1, 5)]
    assert pruned == [(), (), (), (1,)]
    assert seen[-1] == everything(open_store(bucket))


def test_the_same_again_changes_nothing_and_any_change_makes_a_version(place: Place) -> None:
    release(place, b"one")
    store = open_store(place)
    before = everything(store)
    assert release(place, b"one") == Publication(1, "unchanged")
    assert everything(store) == before
    assert release(place, b"one", SECOND).version == 2
    with open_repository(place) as repository:
        (done,) = repository.publish([replace(candidate(repository, b"one", SECOND), labels=("b", "a"))], keep=9)
    assert (done.version, done.status) == (3, "published")
    assert served(place) == ([3], 2)
    del before[f"{NAME}/config.pbtxt"]
    assert before.items() <= everything(store).items() or 1 not in store.versions(NAME)


def test_a_rollback_takes_the_configuration_along_and_frees_no_number(place: Place) -> None:
    for content, config in ((b"one", FIRST), (b"two", SECOND)):
        release(place, content, config, keep=9)
    with open_repository(place) as repository:
        assert repository.roll_back([NAME]) == {NAME: 1}
        assert served(place) == ([1], 1)
        with pytest.raises(PublishError, match="needs an older one"):
            repository.roll_back([NAME])
    assert release(place, b"three").version == 3
    assert open_store(place).versions(NAME) == [1, 3]


def test_several_models_go_together_or_not_at_all(place: Place) -> None:
    release_both(place, b"one")
    release_both(place, b"two", SECOND)
    with open_repository(place) as repository:
        assert repository.roll_back(find_models(repository.store, "net")) == {NAME: 1, OTHER: 1}
    release(place, b"three")
    before = everything(open_store(place))
    with open_repository(place) as repository, pytest.raises(PublishError, match=f"{OTHER}: holds 1 version"):
        repository.roll_back([NAME, OTHER])
    assert everything(open_store(place)) == before


def test_what_is_staged_is_served_when_it_is_switched_to(place: Place) -> None:
    release(place, b"one")
    with open_repository(place) as repository:
        (staged,) = repository.stage([candidate(repository, b"two", SECOND)])
        assert (staged.version, staged.status, served(place)) == (2, "staged", ([1], 1))
        assert [one.status for one in list_versions(repository.store, [NAME])] == ["served", "staged"]
        repository.switch(NAME, 2)
    assert served(place) == ([2], 2)


def test_publishers_at_once_lose_nothing(place: Place) -> None:
    """On a disk they wait for each other; of a store's one is told, and publishes again."""
    numbers: list[int] = []
    told: list[str] = []
    release(place, b"first", keep=99)

    def work(writer: int) -> None:
        for turn in range(3):
            while True:
                try:
                    numbers.append(release(place, b"%d of %d" % (turn, writer), keep=99).version)
                    break
                except ConflictError as conflict:
                    told.append(str(conflict))

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = open_store(place)
    assert len({*numbers}) == 9
    assert {*numbers} <= {*store.versions(NAME)}
    assert served(place)[0] == [max(numbers)]
    contents = {store.read(f"{NAME}/{number}/model.onnx") for number in numbers}
    assert contents == {b"%d of %d" % (turn, writer) for turn in range(3) for writer in range(3)}
    assert bool(told) <= isinstance(place, Address)
    assert all("try again" in text for text in told)


def test_the_doctor_examines_a_bucket(cloud: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    config = "name: 'net_onnx' backend: 'onnxruntime' max_batch_size: 1\n"
    release(cloud, b"no graph" * 1000, config)
    store = open_store(cloud)
    (fault,) = [one for one in examine_store(store, "26.11") if one.level == "fail"]
    assert fault.subject == "net_onnx/1"
    monkeypatch.setattr("tritonrepo.repository.store.mirror.SMALL", 4000)
    left = [one for one in examine_store(store, "26.11") if one.subject == "net_onnx/1"]
    assert [(one.level, one.text) for one in left] == [
        ("note", "model.onnx stays in the store, and was not looked into")
    ]
    Bucket(cloud, 10).delete([f"{NAME}/1/model.onnx"])
    plant(cloud, "net_onnx/1/model.onnx", b"by hand " * 1000)
    (fault,) = [one for one in examine_store(store, "26.11") if one.level == "fail"]
    assert fault.text == "model.onnx is not what was published: its SHA-256 is another"
    store.commit(NAME, "no record", store.record(NAME))
    (fault,) = [one for one in examine_store(store, "26.11") if one.level == "fail"]
    assert fault.text.startswith(f"{cloud}/net_onnx/config.pbtxt does not parse: ")

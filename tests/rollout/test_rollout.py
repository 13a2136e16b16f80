"""Releases to three servers under a load of four clients; `python -m tests.rollout` does it again and again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.live.releases import MODEL
from tests.rollout import artifacts, scenarios
from tests.rollout.world import World, world
from tritonrepo.cli.main import main
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.store.seam import Record

pytestmark = pytest.mark.live
NOWHERE = "127.0.0.1:9"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("three")) as found:
        yield found


@pytest.fixture(scope="module")
def polling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("polling"), "poll", servers=2) as found:
        yield found


@pytest.mark.parametrize("scenario", ["right", "overlap", "canary", "unloadable", "dies"])
def test_what_becomes_of_a_release(three: World, scenario: str) -> None:
    assert scenarios.SCENARIOS[scenario](three) == []


def test_the_same_of_servers_that_poll(polling: World) -> None:
    assert scenarios.wrong(polling) == []


def test_a_server_that_is_not_there_is_named_before_anything_is_changed(three: World) -> None:
    number, before = three.stage(artifacts.right_one(5.0)), three.store.record(MODEL)
    loaded = three.loaded()
    with (
        three.rollout([*three.mixed, NOWHERE], print) as rollout,
        pytest.raises(ReleaseError, match=rf"version {number} is not released, and nothing was changed: {NOWHERE}: "),
    ):
        rollout.release(MODEL)
    assert (three.store.record(MODEL), three.loaded()) == (before, loaded)


def test_a_release_that_is_interrupted_is_undone(three: World) -> None:
    """As by Ctrl-C, when the first server has the version."""
    number, before = three.stage(artifacts.right_one(5.5)), three.current
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 1:
            raise KeyboardInterrupt

    with three.rollout(three.mixed, tell) as rollout, pytest.raises(KeyboardInterrupt):
        rollout.release(MODEL, number, canary=1)
    assert told[0].endswith(f"answers rightly from version {number}")
    assert told[-1] == f"The record names version {before}; answering from it: {three.mixed[0]}."
    three.await_loaded(before)
    assert three.current == before


@pytest.mark.parametrize("when", ["answers rightly from version", "the record names version"])
def test_what_somebody_else_commits_meanwhile_stays(three: World, when: str) -> None:
    """Before the release has committed its own version, and after it: nothing of theirs is undone."""
    number, release = three.stage(artifacts.right_one(5.6)), artifacts.right_one(5.7)
    told: list[str] = []
    theirs: list[int] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        if when in sentence and not theirs:
            theirs.append(artifacts.publish(three.root, release))
            raise KeyboardInterrupt

    with three.rollout(three.mixed, tell) as rollout, pytest.raises(KeyboardInterrupt):
        rollout.release(MODEL, number, canary=1)
    three.truth[theirs[0]] = release.served
    told_ones = three.mixed if when.startswith("the record") else three.mixed[:1]
    answering = f"answering from it: {', '.join(told_ones)}."
    assert told[-1] == f"The record names version {theirs[0]}, by somebody else's doing; {answering}"
    assert three.current == theirs[0]
    with three.rollout(three.mixed, print) as rollout:
        rollout.take(MODEL)
    three.await_loaded(theirs[0])


def test_a_server_whose_version_was_pruned_meanwhile_gets_what_the_record_names(three: World) -> None:
    """It cannot have what it had; with the wrong version it must not stay."""
    theirs = artifacts.publish(three.root, artifacts.right_one(5.81))
    with open_repository(three.root) as repository:
        repository.prune(MODEL, 1)
    assert int(three.loaded()[0][0]) not in three.store.versions(MODEL)
    wrong = three.stage(artifacts.wrong_one(5.82))
    with (
        three.rollout(three.mixed, print) as rollout,
        pytest.raises(ReleaseError, match=f"The record names version {theirs}; answering from it: {three.mixed[0]}"),
    ):
        rollout.release(MODEL, wrong)
    three.truth[theirs] = artifacts.right_one(5.81).served
    three.await_loaded(theirs)


def test_what_is_committed_while_both_versions_are_loaded_undoes_nothing(three: World) -> None:
    """Between the last look at the record and its second change: all servers answer from the new version already."""
    before, number = three.current, three.stage(artifacts.right_one(5.71))
    told: list[str] = []
    theirs: list[int] = []
    with three.rollout(three.mixed, told.append) as rollout:
        commit = rollout.switch

        def switch(model: str, version: int, overlap: bool, expected: Record | None) -> None:
            if not overlap:
                theirs.append(artifacts.publish(three.root, artifacts.right_one(5.72)))
            commit(model, version, overlap, expected)

        rollout.switch = switch
        assert rollout.release(MODEL, number, overlap=True) == number
        assert "its record was changed by somebody else meanwhile; servers under model control keep both" in told[-1]
        assert [three.current] == theirs
        assert set(map(tuple, three.loaded().values())) == {(str(before), str(number))}
        rollout.take(MODEL)
    three.truth[theirs[0]] = artifacts.right_one(5.72).served
    three.await_loaded(theirs[0])


def test_a_release_that_is_interrupted_while_both_versions_are_loaded_is_undone(three: World) -> None:
    before, number = three.current, three.stage(artifacts.right_one(5.73))
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        if "stays loaded beside it" in sentence:
            raise KeyboardInterrupt

    with three.rollout(three.mixed, tell) as rollout, pytest.raises(KeyboardInterrupt):
        rollout.release(MODEL, number, overlap=True)
    assert told[-1] == f"The record names version {before} again; answering from it: {', '.join(three.mixed)}."
    three.await_loaded(before)


def test_one_server_under_two_addresses_does_not_count_twice(three: World) -> None:
    number, before = three.stage(artifacts.right_one(5.8)), three.store.record(MODEL)
    twice = [three.urls("grpc")[0], three.urls("http")[0]]
    with (
        three.rollout(twice, print) as rollout,
        pytest.raises(UsageError, match=f"{twice[0]} and {twice[1]} are the same server; name it once"),
    ):
        rollout.release(MODEL, number)
    assert three.store.record(MODEL) == before


def test_a_fleet_that_polls_has_no_canary(polling: World) -> None:
    number, before = polling.stage(artifacts.right_one(6.0)), polling.store.record(MODEL)
    with polling.rollout(polling.mixed, print) as rollout, pytest.raises(UsageError, match="0 of 2 servers take a"):
        rollout.release(MODEL, number, canary=1)
    assert polling.store.record(MODEL) == before


def test_the_commands(three: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Release, look, go back."""
    before, number = three.current, three.stage(artifacts.right_one(7.0))
    words = ["--repository", str(three.root), "--server", *three.mixed]
    assert main(["release", MODEL, "--canary", "1", *words]) == 0
    assert f"{MODEL}: version {number} is released on 3 servers" in capsys.readouterr().err
    three.await_loaded(number)
    assert main(["versions", MODEL, "--format", "json", *words]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["version"]: line["loaded_by"] for line in found}[number] == three.mixed
    assert [line for line in found if line["version"] != number and line["loaded_by"]] == []
    assert main(["versions", MODEL, *words, NOWHERE]) == 1
    assert NOWHERE in capsys.readouterr().err
    assert main(["rollback", MODEL, *words]) == 0
    assert three.current == before
    three.await_loaded(before)
    assert f"{MODEL} answers rightly from version {before}" in capsys.readouterr().err
    assert main(["release", MODEL, "--version", "99", *words]) == 2
    assert "has no version 99 that an export made" in capsys.readouterr().err
    wrong = three.stage(artifacts.wrong_one(8.0))
    assert main(["release", MODEL, *words]) == 1
    assert f"{MODEL}: version {wrong} is not released" in capsys.readouterr().err


def test_what_a_failed_release_withdrew_is_named_and_kept(polling: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command again takes what is served, and would have lost the version that was meant."""
    number, before = polling.stage(artifacts.wrong_one(6.5)), polling.current
    words = ["--repository", str(polling.root), "--server", *polling.mixed]
    assert main(["release", MODEL, *words]) == 1
    capsys.readouterr()
    assert main(["release", MODEL, *words]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"version {number} was withdrawn; to release that, add --version {number}" in said
    assert f"version {before} is released on 2 servers" in said
    assert "pruned" not in said
    assert number in polling.store.versions(MODEL)


def test_a_rollback_names_the_server_that_does_not_answer(three: World, capsys: pytest.CaptureFixture[str]) -> None:
    before, number = three.current, three.stage(artifacts.right_one(9.0))
    words = ["--repository", str(three.root), "--server", *three.mixed]
    assert main(["release", MODEL, *words]) == 0
    assert main(["rollback", MODEL, *words, NOWHERE]) == 1
    assert f"not every server answers from it: {NOWHERE}: " in " ".join(capsys.readouterr().err.split())
    three.await_loaded(before)
    assert three.current == before != number

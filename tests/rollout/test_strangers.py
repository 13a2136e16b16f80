"""A server of another repository, which somebody names by mistake: nothing changes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ShortLived
from tests.live.releases import FIRST, MODEL, OTHERS, Release, draw_pictures
from tests.rollout import artifacts
from tests.rollout.artifacts import Version
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
THEIRS = replace(FIRST, scale=7.0, most=4)
"""Other weights than ours, under another configuration: what a configuration tells is the same."""


def repository(root: Path, *releases: Release) -> Path:
    """Versions from 1 on; the last is served."""
    for release in releases:
        artifacts.publish(root, Version(release, release))
    return root


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """It serves version 2 of its own repository."""
    with ShortLived(repository(tmp_path_factory.mktemp("theirs") / "models", FIRST, THEIRS)) as server:
        yield server


@pytest.fixture
def url(request: pytest.FixtureRequest, other: TritonServer, tmp_path: Path) -> Iterator[str]:
    """Where it answers, over HTTP if the test says so; it has to answer afterwards as it did before."""
    found = f"http://{other.http_url}" if getattr(request, "param", "") == "http" else other.grpc_url
    picture = draw_pictures(tmp_path, 1)[0]
    yield found
    with Classifier(found, MODEL) as classifier:
        (result,) = classifier.classify(picture)
        assert classifier.contract.max_batch_size == THEIRS.most
    found_scores = {one.label: one.score for one in result.predictions}
    assert other.ready_versions()[MODEL] == ["2"] == [result.version]
    assert found_scores == pytest.approx({label: THEIRS.expected(picture)[label] for label in found_scores}, abs=2e-3)


def release(root: Path, url: str, *words: str) -> int:
    return main(["release", MODEL, "--repository", str(root), "--server", url, *words])


def current(root: Path) -> int:
    return read_state(LocalStore(root), MODEL).current


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        ([FIRST], "has version 2 of net_onnx, and {root}/net_onnx never had more than 1. It serves another repository"),
        ([FIRST, OTHERS["mean"]], "has another version 2 of it than {root}/net_onnx: its preprocessing par"),
    ],
)
def test_it_is_found_out_before_it_is_told_anything(
    ours: list[Release], message: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = repository(tmp_path / "models", *ours)
    assert release(root, url) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"nothing was changed: {url}: {message.format(root=root)}" in said
    assert current(root) == len(ours)
    assert main(["rollback", MODEL, "--repository", str(root), "--server", url]) == 1


def test_a_version_that_it_lacks_leaves_it_its_own(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = repository(tmp_path / "models", FIRST, replace(FIRST, scale=2.0))
    assert artifacts.stage(root, artifacts.right_one(3.0)) == 3
    assert release(root, url) == 1
    assert f"{MODEL}: version 3 is not released: {url}: " in " ".join(capsys.readouterr().err.split())
    assert current(root) == 2


@pytest.mark.parametrize(
    ("words", "url", "message"),
    [
        ([], "http", "The record names version 1 again; not seen answering from it: {url}: answers wrongly"),
        (["--version", "1"], "grpc", "The record names version 2; not seen answering from it: {url}: has again what"),
    ],
    indirect=["url"],
)
def test_a_version_that_answers_otherwise_there_is_taken_back(
    words: list[str], url: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = repository(tmp_path / "models", replace(FIRST, scale=3.0), replace(FIRST, scale=2.0))
    assert release(root, url, *words) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"is not released: {url}: answers wrongly" in said
    assert message.format(url=url) in said


def test_the_only_version_of_a_repository_is_taken_back_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Theirs is under another configuration, which it has to have again."""
    root, theirs = repository(tmp_path / "ours", replace(FIRST, scale=3.0)), repository(tmp_path / "theirs", THEIRS)
    with ShortLived(theirs) as server:
        assert release(root, server.grpc_url) == 1
        assert "There is no version before it: the record names version 1;" in " ".join(capsys.readouterr().err.split())
        with Classifier(server.grpc_url, MODEL) as classifier:
            assert classifier.contract.max_batch_size == THEIRS.most


def test_a_rollback_takes_back_what_answers_otherwise_there(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = repository(tmp_path / "models", replace(FIRST, scale=3.0), replace(FIRST, scale=2.0))
    assert main(["rollback", MODEL, "--repository", str(root), "--server", url]) == 1
    assert "not every server answers from it" in " ".join(capsys.readouterr().err.split())
    assert current(root) == 1

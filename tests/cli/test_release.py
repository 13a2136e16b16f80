"""`tritonrepo release` as its users meet it; tests/rollout has what becomes of a release."""

import argparse
import tempfile
from pathlib import Path

import pytest

from tests.live.releases import MODEL, OTHERS
from tests.repository import releases
from tests.rollout import artifacts
from tests.rollout.artifacts import Version
from tritonrepo.cli.main import main
from tritonrepo.cli.release import _switch_of
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.serve.triton import TritonServer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    artifacts.publish(tmp_path / "models", artifacts.right_one(1.0))
    return tmp_path / "models"


def release(root: Path, *words: str) -> int:
    return main(["release", MODEL, "--repository", str(root), *words])


def test_a_release_needs_servers(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        release(root)
    assert "--server" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--server", "ftp://here"], "Triton speaks gRPC and HTTP, not ftp"),
        (["--server", "a:b"], "is not HOST:PORT"),
        (["--server", "::1:8001"], "an IPv6 address stands in brackets, as in [::1]:8001"),
        (["--server", "a:1,ftp://b"], "Triton speaks gRPC and HTTP, not ftp"),
        (["--server", ""], "no server address: give HOST:PORT"),
        (["--server", "dns:///pods:8001"], "may be several servers, and each is told by itself"),
        (["--server", "here:1", "--ca", __file__], "no --server asks for it: type grpcs://HOST:PORT"),
        (["--server", "here:1", "--key", "key"], "holds 2 lines, and a key is one"),
        (["--server", "here:1", "--key", "absent"], "absent"),
        (["--server", "here:1", "--version", "7"], "has no version 7 that an export made; it has 1"),
    ],
)
def test_wrong_words(
    words: list[str],
    message: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key").write_text("one\ntwo\n")
    assert release(root, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_repository_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release(tmp_path / "absent", "--server", "here:1") == 2
    assert "no such model repository" in capsys.readouterr().err


def test_versions_of_two_contracts_cannot_overlap(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before any server is told: none is there."""
    other = OTHERS["label order"]
    assert artifacts.stage(root, Version(other, other)) == 2
    assert release(root, "--overlap", "--server", "127.0.0.1:9") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "version 2 cannot be loaded beside 1" in said
    assert "labels: 4 of 5 differ" in said
    assert "leave --overlap out" in said
    assert "127.0.0.1" not in said


def test_no_older_version_overlaps_with_the_one_that_would_go_on_answering(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert artifacts.publish(root, artifacts.right_one(2.0)) == 2
    assert release(root, "--overlap", "--version", "1", "--server", "127.0.0.1:9") == 1
    assert "version 2 would go on answering beside 1; no --overlap" in " ".join(capsys.readouterr().err.split())


def test_of_two_releases_at_once_the_second_is_told_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LocalStore(root).hold(MODEL):
        assert release(root, "--server", "127.0.0.1:9") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{MODEL}: another release or rollback of it is under way, and nothing was changed; run this again" in said
    assert "127.0.0.1" not in said


def test_an_undone_release_leaves_what_a_rollback_may_go_to(tmp_path: Path) -> None:
    root = tmp_path / "models"
    releases.release(root, b"one")
    releases.release(root, b"two")
    with open_repository(root) as repository:
        repository.stage([releases.candidate(repository, b"three")])
    switch = _switch_of(argparse.Namespace(repository=root, staging=None, keep=2))
    switch(releases.NAME, 3, False, None)
    switch(releases.NAME, 2, False, None)
    with open_repository(root) as repository:
        assert repository.roll_back([releases.NAME]) == {releases.NAME: 1}


@pytest.mark.live
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_key_of_another_host(
    protocol: str,
    tiny_server: TritonServer,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without it nothing is told; with it the server is, and has no such model in its own repository."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the key of a server of this host would lie
    url = tiny_server.grpc_url if protocol == "grpc" else f"http://{tiny_server.http_url}"
    assert release(root, "--server", url) == 1
    refused = " ".join(capsys.readouterr().err.split())
    assert "nothing was changed" in refused
    assert "give it with --key FILE, or say --polling" in refused
    (tmp_path / "key").write_text(f"{tiny_server.key}\n")
    assert release(root, "--server", url, "--key", str(tmp_path / "key")) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert f"{MODEL}: version 1 is not released: {url}: " in told
    assert "load" in told

"""`tritonrepo sign` and `verify`, and who else asks for a key, as their users meet them."""

import shutil
from pathlib import Path

import pytest

from tests.repository.keys import CONFIG, Pair, make_pair, release_signed
from tests.repository.releases import NAME, candidate, release
from tritonrepo.cli.main import main
from tritonrepo.repository.publish import open_repository


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, "key")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def run(verb: str, root: Path, *words: object) -> int:
    return main([verb, "--repository", str(root), *map(str, words)])


def test_sign_and_verify(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    assert run("verify", root, NAME, "--public-key", pair.public) == 1
    assert "refused  net_onnx, version 1: has no signature; sign it with" in capsys.readouterr().out
    assert run("sign", root, "net", "--key", pair.private) == 0
    assert capsys.readouterr().out == "net_onnx: version 1 is signed\n"
    assert run("verify", root, NAME, "--public-key", pair.public) == 0
    assert capsys.readouterr().out == "ok       net_onnx, version 1\n"


def test_one_version_of_several(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    release(root, b"two", CONFIG)
    assert run("sign", root, NAME, "--key", pair.private, "--version", 1) == 0
    assert run("verify", root, NAME, "--public-key", pair.public, "--version", 1) == 0
    assert run("verify", root, NAME, "--public-key", pair.public) == 1
    assert "net_onnx, version 2: has no signature" in capsys.readouterr().out


def test_words_that_are_wrong(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    assert run("sign", root, "cow", "--key", pair.private) == 2
    assert "no such model" in capsys.readouterr().err
    assert run("sign", root, NAME, "--key", pair.public) == 2
    assert "is no private key in PEM; make one with: openssl ecparam" in capsys.readouterr().err


def test_doctor(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    release_signed(root, pair, b"two")
    run("doctor", root, "--public-key", pair.public)
    lines = " ".join(capsys.readouterr().out.split())
    assert "note net_onnx/1: net_onnx, version 1: has no signature" in lines
    assert f"ok net_onnx/2: is signed with {pair.public}, and as it was signed" in lines
    (root / NAME / "2" / "labels.txt").write_text("a\nc\n")
    assert run("doctor", root, "--public-key", pair.public) == 1
    assert "fail net_onnx/2: net_onnx, version 2: labels.txt: is not as it was signed" in " ".join(
        capsys.readouterr().out.split()
    )


def test_serve_starts_nothing_that_is_not_signed(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    assert run("serve", root, "--public-key", pair.public) == 3
    assert "nothing is served:\nnet_onnx, version 1: has no signature" in capsys.readouterr().err


def test_serve_does_not_promise_what_polling_would_break(
    root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    release_signed(root, pair)
    assert run("serve", root, "--public-key", pair.public, "--poll", 5) == 2
    assert "a server that polls loads what it finds" in capsys.readouterr().err


def test_nothing_to_verify_is_refused_and_keeps_nobody_from_the_others(
    root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model whose record names no version that is there, one whose record is broken, and one that is well."""
    release_signed(root, pair)
    for name in ("net_onnx_fp16", "net_torchscript"):
        with open_repository(root) as repository:
            repository.publish([candidate(repository, b"one", CONFIG.replace(NAME, name), name)], keep=5)
    (root / "net_onnx_fp16" / "config.pbtxt").write_text("{{")
    shutil.rmtree(root / "net_torchscript" / "1")
    assert run("verify", root, *(path.name for path in root.iterdir()), "--public-key", pair.public) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("ok       net_onnx, version 1") == 1
    assert any("net_torchscript: its record names no version that is there" in line for line in lines)
    assert any("net_onnx_fp16/config.pbtxt does not parse" in line for line in lines)


def test_what_cannot_be_signed_is_named(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    (root / NAME / "1" / "manifest.json").write_text("{")
    assert run("sign", root, NAME, "--key", pair.private) == 3
    assert "net_onnx, version 1: manifest.json is not JSON" in capsys.readouterr().err
